"""Where a network looks: Grad-CAM, by Captum.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
arXiv:1610.02391.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyres.cli.serving import ServedModel
from tinyres.common.errors import UserError
from tinyres.common.pixels import channels_first, in_unit_range
from tinyres.models import Classifier


def captum_attributions() -> Any:
    """Return the module `captum.attr`.

    Raises:
        UserError: Captum is not installed.
    """
    try:
        return importlib.import_module("captum.attr")
    except ModuleNotFoundError:
        raise UserError("--explain needs the package Captum; install it with `pip install captum`.") from None


def heat_maps(model: ServedModel, images: NDArray[np.uint8], labels: list[int]) -> NDArray[np.float32]:
    """Return how much each part of an image speaks for a class, from 0 to 1 (N×H×W).

    Each map is divided by its largest value; it is 0 throughout if no part speaks for the class. Its resolution is that
    of the layer (see `last_spatial_layer`), between whose positions it is interpolated.

    Args:
        model: A trained network.
        images: Images as stored (N×H×W×3).
        labels: The class to explain in each image (N).

    Raises:
        UserError: Captum is not installed, or the network has no layer whose output has a height and a width.
    """
    grad_cam = captum_attributions().LayerGradCam
    pixels = in_unit_range(channels_first(images).to(model.machine.device))
    layer = last_spatial_layer(model.classifier, pixels[:1])
    method = grad_cam(model.classifier, layer)
    maps = method.attribute(pixels, target=labels, relu_attributions=True).detach()
    maps = F.interpolate(maps, size=pixels.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return (maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)).cpu().numpy()


def plot_heat_maps(
    file: Path, model: ServedModel, predicted: Sequence[tuple[str, NDArray[np.uint8], Sequence[tuple[str, float]]]]
) -> None:
    """Plot what speaks for the most probable class of each image.

    Args:
        file: The PNG file to write.
        model: The network that made the predictions.
        predicted: For each image its caption, its pixels (uint8, H×W×3), and its classes with their probabilities,
            highest first.

    Raises:
        UserError: See `heat_maps`.
    """
    from tinyres.figures.explanations import Explained, plot_explanations

    labels = [model.description.classes.index(classes[0][0]) for _, _, classes in predicted]
    maps = heat_maps(model, np.stack([pixels for _, pixels, _ in predicted]), labels)
    rows = zip(predicted, maps, strict=True)
    plot_explanations(file, [Explained(name, pixels, *classes[0], heat) for (name, pixels, classes), heat in rows])


@torch.no_grad()
def last_spatial_layer(classifier: Classifier, pixels: Tensor) -> nn.Module:
    """Return the last layer or block whose output has several positions: `layer4` of most ResNets.

    With the standard stem, 32×32 pixels leave `layer4` a single one; there it is `layer3`, with 2×2.

    Args:
        classifier: The network.
        pixels: One image (1×3×H×W).

    Raises:
        UserError: There is no such layer.
    """
    found: list[nn.Module] = []

    def remember(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            found.append(module)

    hooks = [module.register_forward_hook(remember) for module in list(classifier.network.modules())[1:]]
    try:
        classifier(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise UserError("--explain works only for networks whose layers have a height and a width; leave it out.")
    return found[-1]
