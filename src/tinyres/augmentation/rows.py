"""Values that hold for many images, a row each: what was drawn for them, and what it means for their pixels."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

Bounds = list[tuple[int, int]]
"""First and last + 1 of each batch."""


@dataclass
class Rows:
    """Tensors, or more of these, with N rows each; None for what is not asked for."""

    def __getitem__(self, rows: Tensor | slice) -> Self:
        return type(self)(*(None if value is None else value[rows] for value in vars(self).values()))

    def to(self, device: torch.device) -> Self:
        """A copy on the device."""
        return type(self)(*(None if value is None else value.to(device) for value in vars(self).values()))


def sort_within(bounds: Bounds, key: Tensor, keys: int) -> tuple[Tensor, list[list[int]]]:
    """Sort the rows of each batch by a key.

    Args:
        bounds: of the batches.
        key: int64 N, in 0…keys − 1.
        keys: how many there are.

    Returns:
        The rows in their new order, int64 N, batch after batch; and for each batch how many rows have each key.
    """
    key = batch_of(bounds) * keys + key
    return key.argsort(stable=True), key.bincount(minlength=keys * len(bounds)).view(-1, keys).tolist()


def batch_of(bounds: Bounds) -> Tensor:
    """The number of each row's batch, int64 N."""
    return torch.repeat_interleave(torch.tensor([stop - start for start, stop in bounds]))


def begin_of(bounds: Bounds) -> Tensor:
    """The first row of each row's batch, int64 N."""
    return torch.tensor([start for start, _ in bounds])[batch_of(bounds)]
