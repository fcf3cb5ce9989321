"""What several processes that train one network would gain: the time of a step on paper, from measured constants.

A step of n processes that share a batch of B images takes each of them

    fixed + (network + augmentation) · B/n + drawing · B + what is seen of the all-reduce

The fixed part is whatever does not depend on the images: the optimizer and the start of every operation. Every process
samples the augmentation of the whole batch (`tinyres.training.batches`), and changes its own share of the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

BACKWARD = 2 / 3  # of a network's operations: two products per layer there, by its input and its weights, one forward


@dataclass(frozen=True)
class Link:
    """What joins a process to the next one in the ring."""

    rate: float
    """Bytes/s in one direction."""
    latency: float
    """Seconds, at each step of the ring."""

    def all_reduce(self, size: int, processes: int) -> float:
        """Seconds until every process has the sum of so many bytes, around a ring: 2(n − 1) steps, each of a nth.

        That is the least that any algorithm has to send (Patarasuk and Yuan, 2009, doi:10.1016/j.jpdc.2008.09.002).
        """
        steps = 2 * (processes - 1)
        return steps / processes * size / self.rate + steps * self.latency


@dataclass(frozen=True)
class Costs:
    """What one network costs one process."""

    fixed: float
    """Seconds per step."""
    network: float
    """Seconds per image: forward and backward."""
    augmentation: float
    """Seconds per image of the process's share."""
    drawing: float
    """Seconds per image of the whole batch."""
    gradient: int
    """Bytes."""


@dataclass(frozen=True)
class Step:
    """Where the seconds of one step go."""

    fixed: float
    images: float
    """Network and augmentation."""
    drawing: float
    all_reduce: float
    """As much of it as does not hide behind the backward pass."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.fixed + self.images + self.drawing + self.all_reduce


@dataclass(frozen=True)
class Scaling:
    """One network on 1, 2, 3 … processes, joined by one kind of link.

    Args:
        grows: whether every process has a whole `batch` (weak scaling), or all share one (strong scaling).
        overlaps: whether the all-reduce runs beside the backward pass at no cost to it, or after it.
    """

    costs: Costs
    link: Link
    batch: int
    grows: bool
    overlaps: bool

    def step(self, processes: int) -> Step:
        """A step of each of so many processes."""
        costs = self.costs
        batch = self.batch * processes if self.grows else self.batch
        share = batch / processes
        seen = self.link.all_reduce(costs.gradient, processes)
        if self.overlaps:
            seen = max(0.0, seen - BACKWARD * costs.network * share)
        return Step(costs.fixed, (costs.network + costs.augmentation) * share, costs.drawing * batch, seen)

    def work(self, processes: int) -> float:
        """The part of a lone process's step that each of so many has to do."""
        return 1.0 if self.grows else 1 / processes

    def efficiency(self, processes: int) -> float:
        """Images per second and process, in relation to one process: in (0, 1]."""
        return self.work(processes) * self.step(1).seconds / self.step(processes).seconds

    def limit(self, processes: int) -> str:
        """What takes most of the time that is lost: `small batch` (the fixed part), `input` or `all-reduce`."""
        one, step, work = self.step(1), self.step(processes), self.work(processes)
        lost = {
            "small batch": step.fixed - work * one.fixed,
            "input": step.drawing - work * one.drawing,
            "all-reduce": step.all_reduce,
        }
        return max(lost, key=lost.__getitem__)


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """A fixed part and a part per unit of size, neither below 0, with the least squares of relative errors."""
    measured = np.asarray(seconds, dtype=float)
    ones_and_sizes = np.stack([np.ones_like(measured), np.asarray(sizes, dtype=float)], axis=1)
    fixed, slope = nnls(ones_and_sizes / measured[:, None], np.ones_like(measured))[0]
    return float(fixed), float(slope)


def costs_of(
    sizes: Sequence[int], seconds: Sequence[float], augmentation: float, drawing: float, gradient: int
) -> Costs:
    """From whole steps at several batch sizes, and the seconds per image of the input, which they contain."""
    fixed, image = fit_line(sizes, seconds)
    return Costs(fixed, max(0.0, image - augmentation - drawing), augmentation, drawing, gradient)


def link_of(sizes: Sequence[int], seconds: Sequence[float]) -> Link:
    """From all-reduces between two processes: each takes size/rate + 2 · latency."""
    fixed, slope = fit_line(sizes, seconds)
    return Link(1 / slope, fixed / 2)
