"""An epoch's batches, gathered from where the images lie and augmented on the device."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self

import numpy as np
import psutil
import torch
from torch import Tensor

from tinyres.augmentation.online import BatchAugmentation, Draws, draw
from tinyres.augmentation.rows import Bounds
from tinyres.common.dataset import Split
from tinyres.common.pixels import channels_first
from tinyres.params import OnlineAugmentation


@dataclass(frozen=True)
class ResidentSplit:
    """A split on the device: uint8 N×3×H×W and int64 N."""

    images: Tensor
    labels: Tensor

    @classmethod
    def from_arrays(cls, split: Split, device: torch.device) -> Self:
        return cls(channels_first(split.images).to(device), torch.from_numpy(split.labels.copy()).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Self:
        """The first `count` images."""
        return type(self)(self.images[:count], self.labels[:count])

    def take(self, rows: Tensor) -> Tensor:
        """Images (uint8 B×3×H×W, on the device) by their numbers, int64 B where the images lie."""
        return self.images.index_select(0, rows)  # copies whole images; `images[rows]` goes pixel by pixel


class HostSplit(ResidentSplit):
    """A split whose labels alone lie on the device; its images, N×H×W×3 in the machine's memory or in a file that is
    mapped there, come batch by batch."""

    @classmethod
    def from_arrays(cls, split: Split, device: torch.device) -> Self:
        images = torch.from_numpy(split.images).permute(0, 3, 1, 2)
        return cls(images, torch.from_numpy(split.labels.copy()).to(device))

    def take(self, rows: Tensor) -> Tensor:
        chosen = self.images.permute(0, 2, 3, 1).index_select(0, rows)
        return chosen.to(self.labels.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()


def place(split: Split, where: str, device: torch.device) -> ResidentSplit:
    """The split on the device, in the host's memory, or in its file, as `runtime.data` says.

    `auto` is on the device while that takes at most a quarter of its free memory, and in the file otherwise.
    """
    if where == "auto":
        where = "device" if split.images.nbytes <= free_memory(device) / 4 else "mmap"
    if where == "device":
        return ResidentSplit.from_arrays(split, device)
    if where == "host":
        split = Split(np.array(split.images), split.labels)
    return HostSplit.from_arrays(split, device)


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


@dataclass(frozen=True)
class EpochPlan:
    """Which images form which batch, and how each is changed: drawn on the CPU from (seed, epoch) alone.

    Within a batch the images are sorted by when hue has its turn, so that those images are one slice; the order of
    images inside a batch means nothing to training.
    """

    rows: Tensor
    """Every image of this rank's share once, int64 N, batch after batch."""
    draws: Draws
    bounds: Bounds
    """First and last + 1 of each batch in `rows`."""
    sizes: list[int]
    """Images of each batch, those of other ranks included."""


def plan_epoch(
    count: int, batch_size: int, policy: OnlineAugmentation, seed: int, epoch: int, rank: int = 0, ranks: int = 1
) -> EpochPlan:
    """Shuffle `count` images into batches and draw their augmentation; a rank takes every so-manieth of each batch.

    All ranks draw the same, so the batches and what is done to their images are those of a single process.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, epoch))
    bounds = batch_bounds(count, batch_size, ranks)
    sizes = [stop - start for start, stop in bounds]
    shuffled = torch.randperm(count, generator=generator)
    draws = draw(policy, count, generator)
    if ranks > 1:
        mine = torch.cat([torch.arange(start + rank, stop, ranks) for start, stop in bounds])
        shuffled, draws = shuffled[mine], draws[mine]
        edges = [0, *accumulate(len(range(rank, size, ranks)) for size in sizes)]
        bounds = list(pairwise(edges))
    by_hue = draws.by_hue(bounds)
    return EpochPlan(shuffled[by_hue], draws[by_hue], bounds, sizes)


def batch_bounds(count: int, batch_size: int, ranks: int = 1) -> Bounds:
    """First and last + 1 of each batch of `count` images.

    A last batch that leaves a rank with less than two images joins the one before it: batch normalisation cannot do
    with one.
    """
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and count - starts[-1] < 2 * ranks:
        starts.pop()
    return list(pairwise([*starts, count]))


def batches(
    split: ResidentSplit, plan: EpochPlan, augmentation: BatchAugmentation, first: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels and labels of each batch, from batch number `first` on.

    Pixels are float32 B×3×H×W in [0, 1]; labels int64 B, or float32 B×K, each class's share, where images are mixed.
    """
    recipe = augmentation.recipe(plan.draws, plan.bounds)
    rows_of_images, rows_of_labels = plan.rows.to(split.images.device), plan.rows.to(split.labels.device)
    for number in range(first, len(plan.bounds)):
        batch = slice(*plan.bounds[number])
        images, labels = split.take(rows_of_images[batch]), split.labels[rows_of_labels[batch]]
        yield augmentation(images, labels, recipe, number)


def seed_weights(seed: int) -> None:
    """Seed the generator that fresh weights come from."""
    torch.manual_seed(seed_of(seed))


def seed_of(*parts: int) -> int:
    """A seed for one purpose, from the study's seed and numbers that name the purpose; well mixed, so 0 is fine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
