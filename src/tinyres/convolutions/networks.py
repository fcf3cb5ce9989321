"""Networks that use the kernels: layers and blocks of a built network get another `forward`.

An exchanged layer becomes an instance of a subclass that adds no state. So parameters keep their names, copies
and state dictionaries work, and hooks fire: a layer that has one is called as torch would call it, never passed over.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from tinyres.convolutions.functional import batch_norm, conv2d, max_pool2d

Exchange = Mapping[type[nn.Module], type[nn.Module]]


class FastConv2d(nn.Conv2d):
    """A convolution by the kernels where they cover it."""

    def forward(self, images: Tensor) -> Tensor:
        """See `nn.Conv2d`."""
        if self.padding_mode != "zeros" or isinstance(self.padding, str) or self.groups != 1 or self.dilation != (1, 1):
            return super().forward(images)
        return conv2d(images, self.weight, self.bias, self.stride, self.padding)


class FastMaxPool2d(nn.MaxPool2d):
    """Max-pooling by the kernels where they cover it."""

    def forward(self, images: Tensor) -> Tensor:
        """See `nn.MaxPool2d`."""
        result = None
        if pair(self.dilation) == (1, 1) and not self.return_indices and not self.ceil_mode:
            result = max_pool2d(images, pair(self.kernel_size), pair(self.stride), pair(self.padding))
        return super().forward(images) if result is None else result


def pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """The vertical and the horizontal size."""
    return (size, size) if isinstance(size, int) else size


class FastBasicBlock(BasicBlock):  # type: ignore[misc]
    """The residual block of ResNet-18 and -34, with normalisation, addition and ReLU in one pass."""

    def forward(self, x: Tensor) -> Tensor:
        """See torchvision's `BasicBlock`."""
        branch = normalised(self.bn1, self.conv1(x), self.relu)
        return normalised(self.bn2, self.conv2(branch), self.relu, shortcut(self, x))


class FastBottleneck(Bottleneck):  # type: ignore[misc]
    """The residual block of ResNet-50 and deeper ones, with normalisation, addition and ReLU in one pass."""

    def forward(self, x: Tensor) -> Tensor:
        """See torchvision's `Bottleneck`."""
        branch = normalised(self.bn1, self.conv1(x), self.relu)
        branch = normalised(self.bn2, self.conv2(branch), self.relu)
        return normalised(self.bn3, self.conv3(branch), self.relu, shortcut(self, x))


def shortcut(block: BasicBlock | Bottleneck, x: Tensor) -> Tensor:
    """What a block adds to its branch: its input, brought to the branch's shape where they differ."""
    downsample = block.downsample
    if downsample is None:
        return x
    if isinstance(downsample, nn.Sequential) and len(downsample) == 2 and not has_hooks(downsample):
        return normalised(downsample[1], downsample[0](x))
    return downsample(x)


class FastResNet(ResNet):  # type: ignore[misc]
    """A ResNet whose stem normalises and rectifies in one pass."""

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(normalised(self.bn1, self.conv1(x), self.relu))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def normalised(
    norm: nn.Module, images: Tensor, rectify: Callable[[Tensor], Tensor] | None = None, residual: Tensor | None = None
) -> Tensor:
    """The images through a batch norm, with the residual added, and through a ReLU; in one pass where no hook listens
    to what lies between."""
    plain = rectify is F.relu or (type(rectify) is nn.ReLU and not has_hooks(rectify))
    if type(norm) is nn.BatchNorm2d and not has_hooks(norm) and (plain or rectify is None):
        result = batch_norm(images, norm, residual, plain)
        if result is not None:
            return result
    result = norm(images)
    result = result if residual is None else result + residual
    return result if rectify is None else rectify(result)


def has_hooks(module: nn.Module) -> bool:
    """Whether anything is called before or after the module."""
    return any(
        [
            *(module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks),
            *(torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks),
            *(torch_module._global_backward_hooks, torch_module._global_backward_pre_hooks),
        ]
    )


FAST: Exchange = {
    nn.Conv2d: FastConv2d,
    nn.MaxPool2d: FastMaxPool2d,
    BasicBlock: FastBasicBlock,
    Bottleneck: FastBottleneck,
    ResNet: FastResNet,
}
"""The faster subclass of each layer and block of torch and torchvision."""


def accelerate(network: nn.Module, further: Exchange = MappingProxyType({})) -> nn.Module:
    """Let the kernels compute what they cover in a network, in place.

    Args:
        network: any network; layers of a type that is neither in `FAST` nor in `further` stay as they are.
        further: further types of block, each with its subclass that calls `normalised`.
    """
    exchange = {**FAST, **further}
    for layer in network.modules():
        if (fast := exchange.get(type(layer))) is not None:
            layer.__class__ = fast
    return network
