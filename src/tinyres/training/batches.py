"""An epoch's batches: planned from (seed, epoch), gathered from where the images lie, and augmented on the device."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from tinyres.augmentation.online import BatchAugmentation, Samples, sample
from tinyres.augmentation.per_image import Bounds
from tinyres.params import OnlineAugmentation
from tinyres.training.placement import DeviceSplit
from tinyres.training.seeds import seed_of


@dataclass(frozen=True)
class EpochPlan:
    """Which images form which batch, and how each is changed: sampled on the CPU from (seed, epoch) alone."""

    rows: Tensor
    """The number of every image of this rank's share, once: int64 N, batch after batch."""
    samples: Samples
    bounds: Bounds
    """First and last + 1 of each batch in `rows`."""
    sizes: list[int]
    """Images of each batch, those of other ranks included."""


def plan_epoch(
    count: int, batch_size: int, policy: OnlineAugmentation, seed: int, epoch: int, rank: int = 0, ranks: int = 1
) -> EpochPlan:
    """Shuffle `count` images into batches and sample their augmentation; of `ranks` processes, each takes every
    `ranks`-th image of each batch.

    All processes sample the same, so batches and augmented images are those of a single process.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, epoch))
    bounds = batch_bounds(count, batch_size, ranks)
    sizes = [stop - start for start, stop in bounds]
    shuffled = torch.randperm(count, generator=generator)
    samples = sample(policy, count, generator)
    if ranks > 1:
        mine = torch.cat([torch.arange(start + rank, stop, ranks) for start, stop in bounds])
        shuffled, samples = shuffled[mine], samples[mine]
        edges = [0, *accumulate(len(range(rank, size, ranks)) for size in sizes)]
        bounds = list(pairwise(edges))
    return EpochPlan(shuffled, samples, bounds, sizes)


def batch_bounds(count: int, batch_size: int, ranks: int = 1) -> Bounds:
    """First and last + 1 of each batch of `count` images.

    A last batch that would leave a process with fewer than two images joins the one before it, since batch
    normalisation needs two.
    """
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and count - starts[-1] < 2 * ranks:
        starts.pop()
    return list(pairwise([*starts, count]))


def batches(
    split: DeviceSplit, plan: EpochPlan, augmentation: BatchAugmentation, first: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels and labels of each batch, beginning with batch number `first`.

    Pixels are float32 B×3×H×W in [0, 1]; labels are int64 B, or the share of each
    class, float32 B×K, where images are mixed.
    """
    prepared = augmentation.prepare(plan.samples, plan.bounds)
    rows = plan.rows[prepared.order]  # the order of images inside a batch means nothing to training
    rows_of_images, rows_of_labels = rows.to(split.images.device), rows.to(split.labels.device)
    for number in range(first, len(plan.bounds)):
        batch = slice(*plan.bounds[number])
        images, labels = split.take(rows_of_images[batch]), split.labels[rows_of_labels[batch]]
        yield augmentation(images, labels, prepared, number)
