"""The registry of networks, and the one that a model's parameters describe."""

from collections.abc import Callable
from functools import partial

import torch
import torchvision
from torch import nn

from tinyres.common.errors import UserError, nearest
from tinyres.models.cnn import cnn
from tinyres.models.regularisation import set_dropout, set_stochastic_depth
from tinyres.models.stem import replace_stem
from tinyres.models.wide_resnet import WideResNet
from tinyres.params import Model

OF_TORCHVISION = torchvision.models.list_models(module=torchvision.models)  # this module's alone are classifiers


def wide_resnet(depth: int, factor: int, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """A wide residual network; takes images of any size."""
    return WideResNet(depth, factor, classes)


def from_torchvision(name: str, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """A classification network of torchvision with fresh weights, without auxiliary classifiers."""
    options: dict[str, object] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    elif name.startswith("vit_"):
        options = {"image_size": image_size[0]}
    elif name.startswith("maxvit_"):
        options = {"input_size": image_size}
    return torchvision.models.get_model(name, weights=None, num_classes=classes, **options)


Builder = Callable[[int, tuple[int, int]], nn.Module]
ARCHITECTURES: dict[str, Builder] = {
    "cnn": cnn,
    "wide_resnet16_8": partial(wide_resnet, 16, 8),
    "wide_resnet28_10": partial(wide_resnet, 28, 10),
    **{name: partial(from_torchvision, name) for name in OF_TORCHVISION},
}
"""By name: the plain network for a number of classes and an image size (height and width, pixels)."""


def build_network(spec: Model, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """The network that a spec describes, with fresh weights from torch's global generator.

    Args:
        image_size: height and width, pixels.

    Raises:
        UserError: there is no such network, it cannot have what the spec asks for, or not take images of this size.
    """
    name = spec.architecture
    if name not in ARCHITECTURES:
        raise UserError(f"There is no network {name!r}{nearest(name, list(ARCHITECTURES))}")
    if spec.stem is not None and not has_stem(name):
        raise UserError(f"{name} has no stem to choose; set its stem to null.")
    try:
        network = ARCHITECTURES[name](classes, image_size)
        if spec.stem is not None:
            replace_stem(network, spec.stem)
        set_dropout(network, spec.dropout)
        set_stochastic_depth(network, spec.stochastic_depth)
        try_size(network, image_size)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    except (ValueError, AssertionError) as error:  # ViTs and MaxViT know it while they are built
        height, width = image_size
        reason = str(error).splitlines()[0].rstrip(".!")
        raise UserError(
            f"{name} takes no images of {height}×{width} pixels ({reason}); "
            "set subset.image_size, a stem that keeps more of them, or another architecture."
        ) from None
    return network


def has_stem(name: str) -> bool:
    """Whether a network begins with a convolution of its own size: not with patches, and not made for small images."""
    return name in OF_TORCHVISION and not name.startswith(("vit_", "swin_"))


@torch.no_grad()
def try_size(network: nn.Module, image_size: tuple[int, int]) -> None:
    """Run the network on two images without contents, which computes shapes and nothing else.

    Raises:
        ValueError, AssertionError: it cannot take images of this size.
    """
    tensors = [*network.named_parameters(), *network.named_buffers()]
    weights = {name: value.to("meta") for name, value in tensors}
    try:
        torch.func.functional_call(network, weights, torch.empty(2, 3, *image_size, device="meta"))
    except RuntimeError as error:
        raise ValueError(error) from None
