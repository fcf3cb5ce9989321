"""MixUp (Zhang et al., 2018) and CutMix (Yun et al., 2019), with a partner and a share sampled for every image.

Both lay a rectangle of another image over an image: CutMix a part of it, opaque; MixUp all of it, translucent.
torchvision's `MixUp` and `CutMix`, with which tests compare them, sample one share per batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tinyres.augmentation.geometry import rectangles
from tinyres.augmentation.per_image import Bounds, PerImage, batch_of, begin_of


@dataclass
class MixingSamples(PerImage):
    """Mixtures of N images, independent of the sizes of images and batches."""

    partner: Tensor
    """N in [0, 1): selects one of the batch's other images."""
    share: Tensor
    """N: λ, the share of the image itself; for CutMix, before the rectangle is clipped to the image."""
    cuts: Tensor
    """N, bool: CutMix rather than MixUp."""
    centre: Tensor
    """N×2 in [0, 1): row and column of the centre of CutMix's rectangle."""


def sample_mixing(mixup: float, cutmix: float, count: int, generator: torch.Generator) -> MixingSamples:
    """Sample mixtures with α of either kind, 0 for none; with both, each image gets either with probability 1/2."""
    partner = torch.rand(count, generator=generator)
    centre = torch.rand(count, 2, generator=generator)
    even = torch.rand(count, generator=generator) < 0.5
    cuts = even if mixup and cutmix else torch.full((count,), cutmix > 0)
    # torch's own Beta takes no generator.
    beta = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
    alpha = np.where(cuts.numpy(), cutmix, mixup)
    return MixingSamples(partner, torch.from_numpy(beta.beta(alpha, alpha)).float(), cuts, centre)


@dataclass
class Overlay(PerImage):
    """The other image that is laid over each of N images."""

    partner: Tensor
    """int64 N: the other image's place in the batch."""
    rows: Tensor
    """N×1×H×1: opacity of the rows; a pixel's opacity is that of its row times that of its column."""
    columns: Tensor
    """N×1×1×W: opacity of the columns."""
    share: Tensor
    """N×1: the other image's share of the mixture, and of the label."""


def overlays(samples: MixingSamples, bounds: Bounds, height: int, width: int) -> Overlay:
    """What the samples mean for images of one size in these batches; a batch of one image is mixed with itself."""
    size = torch.tensor([height, width])
    middle = (samples.centre * size).floor()
    half = ((1 - samples.share).clamp(min=0).sqrt()[:, None] / 2 * size).trunc()
    begin = torch.where(samples.cuts[:, None], middle - half, 0)
    end = torch.where(samples.cuts[:, None], middle + half, size)
    laid = rectangles(begin, end, height, width)
    opacity = torch.where(samples.cuts, 1, 1 - samples.share)

    batch_size = torch.tensor([stop - start for start, stop in bounds])[batch_of(bounds)]
    place = torch.arange(len(batch_size)) - begin_of(bounds)
    # The partner is between 1 and `others` places further on in the batch, around its end.
    others = batch_size - 1
    distance = 1 + (samples.partner * others).long().clamp(max=(others - 1).clamp(min=0))
    partner = (place + distance) % batch_size
    return Overlay(
        partner,
        laid.rows * opacity[:, None, None, None],
        laid.columns,
        (laid.area() * opacity)[:, None],
    )


def mix(pixels: Tensor, labels: Tensor, overlay: Overlay, classes: int) -> tuple[Tensor, Tensor]:
    """Lay the others over the images of a batch.

    Args:
        pixels: float32 B×3×H×W.
        labels: int64 B.
        overlay: of these B images.
        classes: K.

    Returns:
        Pixels, and each class's share of every image, float32 B×K.
    """
    mixed = torch.lerp(pixels, pixels.index_select(0, overlay.partner), overlay.rows * overlay.columns)
    own = torch.zeros(len(labels), classes, device=labels.device).scatter_(1, labels[:, None], 1)
    return mixed, torch.lerp(own, own.index_select(0, overlay.partner), overlay.share)
