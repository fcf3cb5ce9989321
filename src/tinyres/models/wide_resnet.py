"""Wide residual networks for small images (Zagoruyko and Komodakis, 2016, arXiv:1605.07146)."""

import torch.nn.functional as F
from torch import Tensor, nn


class WideBlock(nn.Module):
    """Two 3×3 convolutions, each after its batch norm and ReLU (He et al., 2016, arXiv:1603.05027).

    Where the width changes, the shortcut is a 1×1 convolution of the activated input.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(width_in, width, 1, stride, bias=False) if width != width_in else None

    def forward(self, features: Tensor) -> Tensor:
        active = F.relu(self.bn1(features), inplace=True)
        shortcut = features if self.shortcut is None else self.shortcut(active)
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))


class WideResNet(nn.Sequential):
    """WRN-depth-factor: three groups of (depth − 4) / 6 blocks, of 16, 32 and 64 times `factor` channels.

    Weights are initialised as in the authors' code: normal, of variance 2 / fan-out for convolutions (He et al., 2015,
    doi:10.1109/ICCV.2015.123), with a zero bias.
    """

    def __init__(self, depth: int, factor: int, classes: int) -> None:
        widths = [16, 16 * factor, 32 * factor, 64 * factor]
        super().__init__()
        self.conv = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        for group in (1, 2, 3):
            blocks = [WideBlock(widths[group - 1], widths[group], stride=1 if group == 1 else 2)]
            blocks += [WideBlock(widths[group], widths[group], stride=1) for _ in range((depth - 4) // 6 - 1)]
            self.add_module(f"group{group}", nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(widths[3])
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(widths[3], classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)
