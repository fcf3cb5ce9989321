"""Crop, flip, rotation and colour jitter for a whole batch at once, with parameters drawn for every image.

The operations are torchvision's (`RandomCrop`, `RandomHorizontalFlip`, `RandomRotation`, `ColorJitter`), which draw one
set of parameters per call; here a batch takes the same few dozen tensor operations however large it is. Crop, flip and
rotation are one gather. Tests hold each operation against torchvision's own, given the same drawn parameters.

The parameters of an epoch are drawn in advance on the CPU, so that the device is never waited for, every device sees
the same draws, and any epoch can be rebuilt alone.
"""

import math
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from tinyres.params import OnlineAugmentation
from tinyres.pixels import in_unit_range

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, as in torchvision's rgb_to_grayscale


@dataclass
class Draws:
    """Parameters of N images; every tensor has N rows, float32 unless said otherwise."""

    top: Tensor
    """Rows of the bordered image above the crop, 0…2·padding."""
    left: Tensor
    """Columns of the bordered image left of the crop."""
    flip: Tensor
    """−1 where the image is mirrored, else 1."""
    angle: Tensor
    """Counter-clockwise rotation, radians."""
    factors: Tensor
    """N×4: factors of brightness, contrast and saturation, and the hue shift in turns of the colour circle."""
    order: Tensor
    """N×4, int64: which of the four comes first, second, third, last."""

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, rows: Tensor | slice) -> "Draws":
        return Draws(*(value[rows] for value in vars(self).values()))

    def hue_position(self) -> Tensor:
        """When hue has its turn, 0…3, for each image."""
        return (self.order == HUE).int().argmax(dim=1)


def draw(policy: OnlineAugmentation, count: int, generator: torch.Generator) -> Draws:
    """Parameters for `count` images, independent of each other, drawn on the CPU."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count).uniform_(low, high, generator=generator)

    def factor(strength: float) -> Tensor:
        return uniform(max(0.0, 1 - strength), 1 + strength)

    shifts = 2 * policy.crop_padding + 1
    top = torch.randint(shifts, (count,), generator=generator).float()
    left = torch.randint(shifts, (count,), generator=generator).float()
    flip = torch.where(torch.rand(count, generator=generator) < policy.flip, -1.0, 1.0)
    angle = uniform(-policy.rotation, policy.rotation) * (math.pi / 180)
    factors = [factor(policy.brightness), factor(policy.contrast), factor(policy.saturation)]
    factors.append(uniform(-policy.hue, policy.hue))
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)
    return Draws(top, left, flip, angle, torch.stack(factors, dim=1), order)


@dataclass
class Recipe:
    """What the draws of N images mean for images of one size, worked out once for a whole epoch; float32.

    An output pixel comes from the column `by_column[0] + by_row[0]` and the row `by_column[1] + by_row[1]` of its
    image: a rotation is linear, so its share of either coordinate is worked out by column and by row.
    """

    by_column: Tensor
    """2×N×1×W."""
    by_row: Tensor
    """2×N×H×1."""
    low: Tensor
    """2×N×1×1: the first column and row of the image that the crop holds."""
    high: Tensor
    """2×N×1×1: the last ones."""
    weights: Tensor
    """3×3×N×1×1: for the first, second and last colour change but hue: weights of the image, its mean grey, its grey"""
    hue: Tensor
    """N×1×1: hue shift in sixths of the colour circle."""

    def part(self, start: int, stop: int) -> "Recipe":
        """The recipe of a run of images."""
        run = slice(start, stop)
        by_column, by_row = self.by_column[:, run], self.by_row[:, run]
        low, high = self.low[:, run], self.high[:, run]
        return Recipe(by_column, by_row, low, high, self.weights[:, :, run], self.hue[run])

    def to(self, device: torch.device) -> "Recipe":
        """A copy on the device."""
        return Recipe(*(value.to(device) for value in vars(self).values()))


class BatchAugmentation:
    """A policy made ready for images of one size on one device."""

    def __init__(self, policy: OnlineAugmentation, height: int, width: int, device: torch.device) -> None:
        self.policy, self.height, self.width, self.device = policy, height, width, device
        self.moves = policy.crop_padding > 0 or policy.flip > 0 or policy.rotation > 0
        self.changes_colour = policy.brightness > 0 or policy.contrast > 0 or policy.saturation > 0 or policy.hue > 0

    def recipe(self, draws: Draws) -> Recipe:
        """What the draws mean for images of this size, on the device."""
        width, height = self.width, self.height
        x = torch.arange(width) - (width - 1) / 2  # of the output's columns and rows, from its centre
        y = torch.arange(height) - (height - 1) / 2
        size = torch.tensor([[width], [height]])
        # The image's column and row at which the crop begins; negative where it begins with border.
        begin = torch.stack([draws.left, draws.top]) - self.policy.crop_padding
        sees_image = (begin.abs() < size).all(dim=0)
        centre = torch.where(sees_image, begin + (size - 1) / 2, math.inf)  # infinity is inside of no image
        cos, sin = draws.angle.cos(), draws.angle.sin()
        begin = begin.clamp(1 - size, size - 1)
        return Recipe(
            torch.stack([draws.flip * cos, sin])[:, :, None, None] * x,
            centre[..., None, None] + torch.stack([-draws.flip * sin, cos])[:, :, None, None] * y[:, None],
            begin.clamp(min=0)[..., None, None],
            (begin.clamp(max=0) + size - 1)[..., None, None],
            _weights(draws)[..., None, None],
            6 * draws.factors[:, HUE, None, None],
        ).to(self.device)

    def __call__(self, images: Tensor, recipe: Recipe, hue_turns: list[int]) -> Tensor:
        """Augment a batch.

        Args:
            images: uint8 B×3×H×W, sorted by `Draws.hue_position()`.
            recipe: of these B images.
            hue_turns: how many images have hue first, second, third, last; known to the host, so that slicing by it
                does not wait for the device.

        Returns:
            float32 B×3×H×W in [0, 1].
        """
        pixels = self._crop_flip_rotate(images, recipe) if self.moves else in_unit_range(images)
        if self.changes_colour:
            self._jitter(pixels, recipe, hue_turns)
        return pixels

    def _crop_flip_rotate(self, images: Tensor, recipe: Recipe) -> Tensor:
        """Crop from the black-bordered images, mirror, rotate about the centre with black fill: one gather of bytes."""
        # Where each output pixel comes from; the nearest pixel is found as torchvision finds it (half to even). What
        # comes from outside of the crop or of the image is black. The comparison is in place: on a CPU, those that make
        # booleans cost ten times an arithmetic pass.
        batch, area = len(images), self.height * self.width
        source = (recipe.by_column + recipe.by_row).round_()
        nearest = torch.maximum(source, recipe.low)
        torch.minimum(nearest, recipe.high, out=nearest)
        inside_x, inside_y = source.eq_(nearest)
        light = inside_x.mul_(inside_y).div_(255)[:, None]
        column, row = nearest
        first = torch.arange(0, batch * 3 * area, 3 * area, dtype=torch.int32, device=images.device)[:, None, None]
        index = column.add_(row, alpha=self.width).int().add_(first).flatten()
        memory = images.flatten()
        colours = [memory[colour * area :].index_select(0, index).view(light.shape) for colour in range(3)]
        return torch.cat(colours, dim=1).float().mul_(light)

    def _jitter(self, pixels: Tensor, recipe: Recipe, hue_turns: list[int]) -> None:
        """Brightness, contrast, saturation and hue, in place, each image in its own order.

        The images are sorted by hue's turn. So the other three come before hue behind the first, second and third edge
        between the turns, after it in front of them: hue needs one call for all images, and no image waits its turn.
        """
        edges = list(accumulate(hue_turns))[:3]
        for turn, edge in enumerate(edges):
            _change_colour(pixels[edge:], recipe.weights[turn, :, edge:])
        if self.policy.hue > 0:
            shift_hue(pixels, recipe.hue)
        for turn, edge in enumerate(edges):
            _change_colour(pixels[:edge], recipe.weights[turn, :, :edge])


def _weights(draws: Draws) -> Tensor:
    """3×3×N: for each turn of brightness, contrast and saturation the weights of image, mean grey and grey.

    All three are one formula, clamp(f·image + (1 − f)·reference), where the reference is black, the image's mean grey,
    or each pixel's own grey.
    """
    operation = draws.order[draws.order != HUE].view(-1, 3).T
    factor = draws.factors.T.gather(0, operation)
    return torch.stack(
        [factor, (1 - factor) * (operation == CONTRAST), (1 - factor) * (operation == SATURATION)], dim=1
    )


def _change_colour(pixels: Tensor, weights: Tensor) -> None:
    """Brightness, contrast or saturation of a run of images, in place; weights 3×B×1×1 as `_weights` gives them."""
    if not len(pixels):
        return
    red, green, blue = pixels.unbind(1)
    of_image, of_mean, of_grey = weights
    grey = (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])
    mean = grey.mean((1, 2), keepdim=True)
    reference = grey.mul_(of_grey).add_(mean.mul_(of_mean))
    torch.addcmul(reference[:, None], pixels, of_image[:, None], out=pixels).clamp_(0, 1)


def shift_hue(pixels: Tensor, shift: Tensor) -> None:
    """Turn the hue of RGB images in place, keeping HSV's saturation and value.

    With the chroma C = max − min and each colour scaled to [0, 1] by r' = (r − min)/C, the hue in sixths of a turn is
    ±(1 − r' + g' + b'), negative where blue exceeds green: the usual three cases in one, without a comparison.

    Args:
        pixels: float, B×3×H×W, in [0, 1].
        shift: B×1×1, sixths of the colour circle.
    """
    red, green, blue = pixels.unbind(1)
    value, lowest = torch.maximum(red, green), torch.minimum(red, green)
    torch.maximum(value, blue, out=value)
    torch.minimum(lowest, blue, out=lowest)
    chroma = value - lowest
    hue = (green - red).add_(blue).sub_(lowest)
    hue.div_(chroma.clamp(min=1e-6))  # grey pixels have no hue; their chroma of 0 makes it irrelevant
    hue.add_(1).copysign_(green - blue).add_(shift)
    hue.sub_((hue / 6).floor_(), alpha=6)  # into [0, 6): 0 red, 2 green, 4 blue
    # Red rises from the lowest with the hue's distance from its opposite; green and blue fall from the highest with the
    # distance from their own.
    torch.addcmul(lowest, (hue - 3).abs_().sub_(1).clamp_(0, 1), chroma, out=red)
    torch.addcmul(value, (hue - 2).abs_().sub_(1).clamp_(0, 1), chroma, value=-1, out=green)
    torch.addcmul(value, (hue - 4).abs_().sub_(1).clamp_(0, 1), chroma, value=-1, out=blue)
