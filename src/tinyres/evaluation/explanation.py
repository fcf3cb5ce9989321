"""Where a network looks: Grad-CAM, by Captum.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
arXiv:1610.02391.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyres.common.dataset import Images
from tinyres.common.pixels import channels_first, in_unit_range
from tinyres.models import Classifier
from tinyres.models.machine import Machine


def heat_maps(
    classifier: Classifier, images: Images, labels: Sequence[int], machine: Machine
) -> NDArray[np.float32] | None:
    """Return how much each part of an image speaks for a class, from 0 to 1 (N×H×W).

    Each map is divided by its largest value; it is 0 throughout if no part speaks for the class. Its resolution is that
    of the layer (see `last_spatial_layer`), between whose positions it is interpolated.

    Args:
        classifier: A trained network in evaluation mode.
        images: Images as stored (uint8, N×H×W×3).
        labels: The class to explain in each image (N).
        machine: The machine that the network was prepared for.

    Returns:
        The maps; None if no layer of the network has an output with several positions.
    """
    pixels = in_unit_range(channels_first(images).to(machine.device))
    layer = last_spatial_layer(classifier, pixels[:1])
    if layer is None:
        return None
    maps = LayerGradCam(classifier, layer).attribute(pixels, target=list(labels), relu_attributions=True).detach()
    maps = F.interpolate(maps, size=pixels.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return (maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)).cpu().numpy()


@torch.no_grad()
def last_spatial_layer(classifier: Classifier, pixels: Tensor) -> nn.Module | None:
    """Return the last layer or block whose output has several positions: `layer4` of most ResNets.

    With the standard stem, 32×32 pixels leave `layer4` a single one; there it is `layer3`, with 2×2. Not meant are
    tables without images, outputs that end in the channels (N×H×W×C; they have more channels than the image has
    columns), and pooling to a fixed size, which may only repeat a single position.

    Args:
        classifier: The network.
        pixels: One image (1×3×H×W).
    """
    two = pixels.expand(2, -1, -1, -1)
    found: list[nn.Module] = []

    def remember(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and has_positions(output, two) and not isinstance(module, nn.AdaptiveAvgPool2d):
            found.append(module)

    hooks = [module.register_forward_hook(remember) for module in list(classifier.network.modules())[1:]]
    try:
        classifier(two)
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if found else None


def has_positions(output: Tensor, images: Tensor) -> bool:
    """Return whether an output has several positions for each of these images (N×3×H×W), and no more than pixels."""
    if output.ndim != 4 or len(output) != len(images):
        return False
    (rows, columns), (height, width) = output.shape[2:], images.shape[2:]
    return rows * columns > 1 and rows <= height and columns <= width
