"""Our own blocks on the kernels of `tinyres.convolutions`, which itself covers those of torchvision."""

import torch.nn.functional as F
from torch import Tensor, nn

from tinyres import convolutions
from tinyres.convolutions.functional import max_pool2d
from tinyres.convolutions.networks import FastMaxPool2d, has_hooks, normalised, pair
from tinyres.models.cnn import SamePad
from tinyres.models.wide_resnet import WideBlock


def accelerate(network: nn.Module) -> nn.Module:
    """Let the kernels compute what they cover in a network of the registry, in place."""
    return convolutions.accelerate(network, {WideBlock: FastWideBlock, nn.Sequential: FastSequential})


class FastWideBlock(WideBlock):
    """The block of a wide residual network, with normalisation and ReLU in one pass."""

    def forward(self, features: Tensor) -> Tensor:
        """See `WideBlock`."""
        active = normalised(self.bn1, features, F.relu)
        shortcut = features if self.shortcut is None else self.shortcut(active)
        return shortcut + self.conv2(normalised(self.bn2, self.conv1(active), F.relu))


class FastSequential(nn.Sequential):
    """A sequence in which max-pooling pads by itself."""

    def forward(self, images: Tensor) -> Tensor:
        """See `nn.Sequential`."""
        layers = list(self)
        while layers:
            pooled = padded_max_pool(images, *layers[:2])
            images = layers[0](images) if pooled is None else pooled
            del layers[: 1 if pooled is None else 2]
        return images


def padded_max_pool(images: Tensor, pad: nn.Module, pool: nn.Module | None = None) -> Tensor | None:
    """A 2×2 max-pooling with stride 1 of images that are padded on the right and at the bottom; None if the layers are
    others, or have hooks."""
    if type(pad) is not SamePad or type(pool) is not FastMaxPool2d or has_hooks(pad) or has_hooks(pool):
        return None
    sizes = [pair(each) for each in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)]
    if pad.stride != 1 or pool.return_indices or sizes != [(2, 2), (1, 1), (0, 0), (1, 1)]:
        return None
    return max_pool2d(images, (2, 2), (1, 1), (0, 0), padded=True)
