"""Random erasing: black rectangles (Zhong et al., 2020), sampled as in torchvision's `RandomErasing`."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tinyres.augmentation.geometry import Rectangles, rectangles
from tinyres.augmentation.per_image import PerImage

SHARE = (0.02, 0.33)  # of the image's area
ASPECT = (0.3, 3.3)  # height over width; its logarithm is uniform
CANDIDATES = 10  # the first that is smaller than the image is taken


@dataclass
class ErasingSamples(PerImage):
    """Rectangles for N images, independent of their size."""

    happens: Tensor
    """N, bool."""
    share: Tensor
    """N×10: share of the image's area."""
    aspect: Tensor
    """N×10: height over width."""
    place: Tensor
    """N×2 in [0, 1): the first row and column, as a share of the places where the rectangle fits."""


def sample_erasing(probability: float, count: int, generator: torch.Generator) -> ErasingSamples:
    """Sample a rectangle, with the given probability, for each of `count` images."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, CANDIDATES).uniform_(low, high, generator=generator)

    return ErasingSamples(
        torch.rand(count, generator=generator) < probability,
        uniform(*SHARE),
        uniform(math.log(ASPECT[0]), math.log(ASPECT[1])).exp(),
        torch.rand(count, 2, generator=generator),
    )


def erased_rectangles(samples: ErasingSamples, height: int, width: int) -> Rectangles:
    """The rectangle to erase from each image of one size; empty where no candidate is smaller than the image."""
    size = torch.tensor([height, width])
    area = samples.share * (height * width)
    candidates = torch.stack([(area * samples.aspect).sqrt(), (area / samples.aspect).sqrt()], dim=2).round()
    fits = (candidates < size).all(dim=2)
    first = fits.int().argmax(dim=1)
    extent = candidates[torch.arange(len(first)), first]
    extent = extent * (samples.happens & fits.any(dim=1))[:, None]
    begin = (samples.place * (size - extent + 1)).floor()
    return rectangles(begin, begin + extent, height, width)


def erase(pixels: Tensor, erased: Rectangles) -> None:
    """Make the rectangles black, in place."""
    pixels.mul_(1 - erased.rows * erased.columns)
