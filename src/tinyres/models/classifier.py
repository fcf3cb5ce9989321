"""A network with its normalisation, and its last layer."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Classifier(nn.Module):
    """A network that takes pixels in [0, 1] and normalises them itself.

    Mean and standard deviation are constants of the model, not weights: they are in `model.json`. The network's
    weights and activations are `channels_last`: the fast order for convolutions on GPUs, and on CPUs for max-pooling,
    which would otherwise take half of the time of the report's network.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        scale = 1 / torch.tensor(std).view(1, 3, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", -torch.tensor(mean).view(1, 3, 1, 1) * scale, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits B×K of float pixels B×3×H×W in [0, 1]."""
        return self.network(self.normalise(pixels))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation of the training images."""
        return (pixels * self.scale).add_(self.shift).contiguous()

    def train(self, mode: bool = True) -> "Classifier":
        """Set the training mode; a batch norm whose weights are frozen keeps its running statistics too."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, _BatchNorm) and layer.affine and not layer.weight.requires_grad:
                layer.training = False  # not what is below it: a skipped block stays random
        return self

    def penultimate(self, pixels: Tensor) -> Tensor:
        """The input of the classifier's last layer, B×D; for a convolution, its input's mean over the image."""
        features: list[Tensor] = []
        _, last = classifier_layer(self.network)
        hook = last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
        try:
            self(pixels)
        finally:
            hook.remove()
        return features[0] if features[0].ndim == 2 else features[0].mean(dim=(2, 3))


def classifier_layer(network: nn.Module) -> tuple[str, nn.Module]:
    """Name and layer that turn features into logits: the last linear layer, or else the last convolution.

    SqueezeNet is such a network without linear layers.
    """
    layers = [each for each in network.named_modules() if isinstance(each[1], nn.Linear | nn.Conv2d)]
    return next((each for each in reversed(layers) if isinstance(each[1], nn.Linear)), layers[-1])


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
