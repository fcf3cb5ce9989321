"""Superclasses: whether a network that confuses two classes at least stays within the superclass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Superclasses:
    """A grouping of K classes into at least two and fewer than K superclasses."""

    names: list[str]
    """The names of the superclasses in alphabetical order."""
    number: NDArray[np.int64]
    """For each class, the position of its superclass in `names` (K)."""

    @classmethod
    def of(cls, superclasses: Sequence[str] | None) -> "Superclasses | None":
        """Group classes by their superclasses' names (K); None if there are none, one for all, or one for each."""
        names = sorted(set(superclasses or []))
        if superclasses is None or not 1 < len(names) < len(superclasses):
            return None
        return cls(names, np.array([names.index(name) for name in superclasses]))

    def merge(self, confusion: Counts) -> Counts:
        """Sum a confusion matrix of classes (K×K) to one of superclasses, actual by predicted."""
        belongs = np.eye(len(self.names), dtype=np.int64)[self.number]
        return belongs.T @ confusion @ belongs

    def figures(self, confusion: Counts) -> dict[str, float]:
        """Return the scalar metrics of a confusion matrix (K×K), under the names that the metrics files use.

        `test_superclass_accuracy` counts a wrong class of the right superclass as correct. `test_errors_inside` is the
        share of errors that stay inside the superclass, and `test_errors_inside_chance` what that share would be if
        every wrong class were equally likely; both are missing if there are no errors.
        """
        inside = int(self.merge(confusion).trace())
        correct, count = int(confusion.trace()), int(confusion.sum())
        figures = {"test_superclass_accuracy": inside / count}
        if correct == count:
            return figures
        errors = confusion.sum(axis=1) - confusion.diagonal()
        siblings = np.bincount(self.number)[self.number] - 1
        chance = float(np.average(siblings / (len(self.number) - 1), weights=errors))
        return figures | {
            "test_errors_inside": (inside - correct) / (count - correct),
            "test_errors_inside_chance": chance,
        }
