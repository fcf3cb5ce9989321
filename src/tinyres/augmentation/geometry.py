"""Pixels from elsewhere: gathers to the nearest pixel, and rectangles."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tinyres.augmentation.per_image import PerImage


def take_nearest(images: Tensor, by_column: Tensor, by_row: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Images whose pixels come from other places of the same images: one gather of bytes.

    An output pixel comes from the column `by_column[0] + by_row[0]` and the row `by_column[1] + by_row[1]` of its
    image: every such change is linear, so its share of either coordinate is worked out by column and by row.

    Args:
        images: uint8 B×3×H×W.
        by_column: float32 2×B×1×W.
        by_row: float32 2×B×H×1.
        low: the first column and row that may be seen, float32 2×B×1×1 or 2×1×1×1.
        high: the last ones.

    Returns:
        uint8 B×3×H×W; and float32 B×H×W, 1 where a pixel comes from within what may be seen, else 0.
    """
    # The nearest pixel is found as torchvision finds it (half to even). The comparison is in place: on a CPU, those
    # that make booleans cost ten times an arithmetic pass.
    batch, _, height, width = images.shape
    area = height * width
    source = (by_column + by_row).round_()
    nearest = torch.maximum(source, low)
    torch.minimum(nearest, high, out=nearest)
    inside_x, inside_y = source.eq_(nearest)
    inside = inside_x.mul_(inside_y)
    column, row = nearest
    first = torch.arange(0, batch * 3 * area, 3 * area, dtype=torch.int32, device=images.device)[:, None, None]
    index = column.add_(row, alpha=width).int().add_(first).flatten()
    memory = images.flatten()
    shape = (batch, 1, height, width)
    colours = [memory[colour * area :].index_select(0, index).view(shape) for colour in range(3)]
    return torch.cat(colours, dim=1), inside


@dataclass
class Rectangles(PerImage):
    """A rectangle in each of N images, as the product of its rows and its columns; float32, 1 inside, 0 outside."""

    rows: Tensor
    """N×1×H×1."""
    columns: Tensor
    """N×1×1×W."""

    def area(self) -> Tensor:
        """Each rectangle's share of its image, N."""
        return (self.rows.mean(dim=2) * self.columns.mean(dim=3)).flatten()


def rectangles(begin: Tensor, end: Tensor, height: int, width: int) -> Rectangles:
    """Rectangles by their first row and column, and their last + 1: N×2 each, cut to the image."""

    def run(axis: int, length: int) -> Tensor:
        place = torch.arange(length)
        return ((place >= begin[:, axis, None]) & (place < end[:, axis, None])).float()

    return Rectangles(run(0, height)[:, None, :, None], run(1, width)[:, None, None, :])
