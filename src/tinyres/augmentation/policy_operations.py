"""The operations that policies choose from, on batches of bytes; each changes consecutive images in place.

They are torchvision's for tensors (`torchvision.transforms.v2.functional`), including their rounding; tests compare
each with torchvision's. Every image has its own strength.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from tinyres.augmentation.geometry import take_nearest
from tinyres.augmentation.per_image import PerImage
from tinyres.common.pixels import BLUE, GREEN, RED


@dataclass
class Settings(PerImage):
    """The settings of an operation for each of N images."""

    strength: Tensor
    """float32 N×1×1×1: for brightness, contrast, colour and sharpness, how far to move away from the reference (0
    changes nothing, −1 gives the reference); for posterize, the mask of the bits to keep; for solarize, the lowest
    value to invert."""
    source: Tensor
    """float32 N×2×3, for operations that move pixels: the input's column and row as linear functions of an output
    pixel's column and row, counted from the image's centre, and of 1."""

    def split(self, counts: list[int]) -> list["Settings"]:
        """The settings of consecutive groups of so many images."""
        return [Settings(*run) for run in zip(self.strength.split(counts), self.source.split(counts), strict=True)]


Operation = Callable[[Tensor, Settings], None]


def move(images: Tensor, settings: Settings) -> None:
    """Shear, translate or rotate: nearest pixel, black fill."""
    x, y, last = _places(images.shape[2], images.shape[3], images.device)
    of_x, of_y, of_one = settings.source.permute(2, 1, 0)[..., None, None]
    colours, inside = take_nearest(images, of_x * x, torch.addcmul(of_one, of_y, y), torch.zeros_like(last), last)
    torch.mul(colours, inside.byte()[:, None], out=images)


@cache
def _places(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Columns (W) and rows (H×1) from the image's centre, and the last column and row (2×1×1×1)."""
    x, y = torch.arange(width) - (width - 1) / 2, torch.arange(height)[:, None] - (height - 1) / 2
    last = torch.tensor([width - 1.0, height - 1.0])[:, None, None, None]
    return x.to(device), y.to(device), last.to(device)


def brightness(images: Tensor, settings: Settings) -> None:
    """Move away from black, or towards it."""
    images.copy_((images * (1 + settings.strength)).clamp_(0, 255))


def contrast(images: Tensor, settings: Settings) -> None:
    """Move away from the image's mean grey, or towards it."""
    _blend(images, grey_bytes(images).mean((1, 2, 3), keepdim=True), settings.strength)


def colour(images: Tensor, settings: Settings) -> None:
    """Move away from each pixel's own grey, or towards it."""
    _blend(images, grey_bytes(images), settings.strength)


def sharpness(images: Tensor, settings: Settings) -> None:
    """Move away from the smoothed image, or towards it; the outermost pixels stay as they are.

    Smoothing takes the mean of 3×3 pixels, in which the middle one counts five times.
    """
    if min(images.shape[2:]) <= 2:
        return
    pixels = images.float()
    inner = pixels[:, :, 1:-1, 1:-1]
    three = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]
    nine = three[..., :-2] + three[..., 1:-1] + three[..., 2:]
    smooth = nine.add_(inner, alpha=4).div_(13).round_()
    images[:, :, 1:-1, 1:-1] = torch.addcmul(inner, smooth.sub_(inner), settings.strength, value=-1).clamp_(0, 255)


def grey_bytes(images: Tensor) -> Tensor:
    """Each pixel's grey, rounded down; float32 B×1×H×W in 0…255."""
    red, green, blue = images.split(1, dim=1)
    return red.mul(RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE).floor_()


def _blend(images: Tensor, reference: Tensor, strength: Tensor) -> None:
    """(1 + s)·image − s·reference, clipped to bytes."""
    images.copy_((images * (1 + strength)).addcmul_(reference, strength, value=-1).clamp_(0, 255))


def posterize(images: Tensor, settings: Settings) -> None:
    """Keep the highest bits of each colour."""
    images.bitwise_and_(settings.strength.byte())


def solarize(images: Tensor, settings: Settings) -> None:
    """Invert all colours from a value upwards."""
    images.copy_(torch.where(images >= settings.strength, ~images, images))


def autocontrast(images: Tensor, settings: Settings) -> None:
    """Stretch each colour over its whole range; a constant colour stays as it is."""
    pixels = images.float()
    low, high = pixels.amin((2, 3), keepdim=True), pixels.amax((2, 3), keepdim=True)
    step = (high - low).mul_(1 / 255)
    flat = high == low
    images.copy_(pixels.sub_(low.masked_fill_(flat, 0)).div_(step.masked_fill_(flat, 1)).clamp_(0, 255))


def equalize(images: Tensor, settings: Settings) -> None:
    """Spread each colour's values evenly over its range, as Pillow does; one with almost no spread stays as it is."""
    batch, channels, height, width = images.shape
    values = images.view(batch * channels, height * width).long()
    counts = values.new_zeros(len(values), 256).scatter_add_(1, values, torch.ones_like(values))
    up_to = counts.cumsum(1)
    # Where the highest value begins: as many pixels are lower than it.
    lower = up_to - counts
    below_highest = lower.gather(1, values.amax(1, keepdim=True))
    step = below_highest // 255
    table = ((lower + step // 2) // step.clamp(min=1)).clamp_(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    images.copy_(table.gather(1, values).view(images.shape))


def invert(images: Tensor, settings: Settings) -> None:
    """Each colour's opposite."""
    images.bitwise_not_()


def keep(images: Tensor, settings: Settings) -> None:
    """Nothing."""


OPERATIONS: dict[str, Operation] = {
    "identity": keep,
    "shear_x": move,
    "shear_y": move,
    "translate_x": move,
    "translate_y": move,
    "rotate": move,
    "brightness": brightness,
    "color": colour,
    "contrast": contrast,
    "sharpness": sharpness,
    "posterize": posterize,
    "solarize": solarize,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "invert": invert,
}
