"""The report's small network."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cnn(classes: int, image_size: tuple[int, int]) -> nn.Module:
    """The report's network: two convolutions without activation, two hidden layers with dropout.

    Where the report is silent it has Keras's defaults: Glorot uniform weights, zero biases, and padding `same`, which
    is at the right and bottom only.
    """
    height, width = ((size + 3) // 4 for size in image_size)  # halved twice, rounded up
    network = nn.Sequential(
        *(SamePad(stride=2), nn.Conv2d(3, 32, 2, stride=2), SamePad(stride=1), nn.MaxPool2d(2, stride=1)),
        *(SamePad(stride=2), nn.Conv2d(32, 64, 2, stride=2), SamePad(stride=1), nn.MaxPool2d(2, stride=1)),
        nn.Flatten(),
        *(nn.Linear(64 * height * width, 256), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, classes),
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.constant_(layer.get_parameter("bias"), 0)
    return network


class SamePad(nn.Module):
    """Keras's padding `same` for a 2×2 window: on the right and at the bottom, what the last window lacks.

    With stride 1 the padding is −∞, for max-pooling; with stride 2 it is zero, for convolution.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        if self.stride == 1:
            return F.pad(images, (0, 1, 0, 1), value=-torch.inf)
        return F.pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2))
