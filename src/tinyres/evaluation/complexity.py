"""The arithmetic that one image costs a network."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def multiply_accumulates(network: nn.Module, image_size: tuple[int, int]) -> int:
    """Count the multiply-accumulate operations of the convolutions and linear layers for one image.

    Normalisation, activations and pooling are not counted, as is usual: they sum no products. The network is left in
    the mode, training or evaluation, in which it was.

    Args:
        network: A network for RGB images.
        image_size: Height and width in pixels.
    """
    was_training = network.training
    counter = FlopCounterMode(display=False)
    with counter:
        network.eval()(torch.zeros(1, 3, *image_size))
    network.train(was_training)
    return int(counter.get_total_flops()) // 2  # it counts a multiplication and an addition as two
