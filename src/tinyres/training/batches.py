"""An epoch's batches, gathered and augmented on the device that holds all the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from tinyres.augmentation.online import BatchAugmentation, Draws, draw
from tinyres.augmentation.rows import Bounds
from tinyres.data.arrays import Split
from tinyres.params import OnlineAugmentation
from tinyres.pixels import channels_first


@dataclass(frozen=True)
class ResidentSplit:
    """A split on the device: uint8 N×3×H×W and int64 N."""

    images: Tensor
    labels: Tensor

    @classmethod
    def from_arrays(cls, split: Split, device: torch.device) -> "ResidentSplit":
        return cls(channels_first(split.images).to(device), torch.from_numpy(split.labels.copy()).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "ResidentSplit":
        """The first `count` images."""
        return ResidentSplit(self.images[:count], self.labels[:count])


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
    rows, recipe = plan.rows.to(split.labels.device), augmentation.recipe(plan.draws, plan.bounds)
    for number in range(first, len(plan.bounds)):
        chosen = rows[slice(*plan.bounds[number])]
        images = split.images.index_select(0, chosen)  # copies whole images; `images[chosen]` goes pixel by pixel
        yield augmentation(images, split.labels[chosen], recipe, number)


def seed_weights(seed: int) -> None:
    """Seed the generator that fresh weights come from."""
    torch.manual_seed(seed_of(seed))


def seed_of(*parts: int) -> int:
    """A seed for one purpose, from the study's seed and numbers that name the purpose; well mixed, so 0 is fine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
