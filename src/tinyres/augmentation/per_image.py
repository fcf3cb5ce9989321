"""Values for many images, one row for each: what was sampled for it, and what that means for its pixels."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

Bounds = list[tuple[int, int]]
"""First and last + 1 of each batch."""


@dataclass
class PerImage:
    """Tensors or further `PerImage`, all with N rows; None for what is switched off."""

    def __getitem__(self, rows: Tensor | slice) -> Self:
        return type(self)(*(None if value is None else value[rows] for value in vars(self).values()))

    def to(self, device: torch.device) -> Self:
        """A copy on the device."""
        return type(self)(*(None if value is None else value.to(device) for value in vars(self).values()))


def sort_within(bounds: Bounds, key: Tensor) -> Tensor:
    """The rows sorted by a key (int64 N, from 0) within their batches, those of one key in their own order; int64 N."""
    return (batch_of(bounds) * (int(key.max()) + 1) + key).argsort(stable=True)


def count_within(bounds: Bounds, key: Tensor, keys: int) -> list[list[int]]:
    """How many rows of each batch have each of the keys 0…keys − 1."""
    return (batch_of(bounds) * keys + key).bincount(minlength=keys * len(bounds)).view(-1, keys).tolist()


def batch_of(bounds: Bounds) -> Tensor:
    """The number of each row's batch, int64 N."""
    return torch.repeat_interleave(torch.tensor([stop - start for start, stop in bounds]))


def begin_of(bounds: Bounds) -> Tensor:
    """The first row of each row's batch, int64 N."""
    return torch.tensor([start for start, _ in bounds])[batch_of(bounds)]
