"""What one image costs a network."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def multiply_accumulates(network: nn.Module, image_size: tuple[int, int]) -> int:
    """Multiply-accumulate operations of one image's way through the convolutions and linear layers.

    Normalisation, activations and pooling are left out, as usual: they have no products to sum.

    Args:
        image_size: height and width, pixels.
    """
    was_training = network.training
    counter = FlopCounterMode(display=False)
    with counter:
        network.eval()(torch.zeros(1, 3, *image_size))
    network.train(was_training)
    return int(counter.get_total_flops()) // 2  # it counts a multiplication and an addition as two
