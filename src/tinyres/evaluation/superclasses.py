"""Whether a network that takes a class for another stays within the superclass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Superclasses:
    """A grouping of K classes into fewer superclasses, of which there are at least two."""

    names: list[str]
    """By number, in alphabetical order."""
    number: NDArray[np.int64]
    """K: the number of each class's superclass."""

    @classmethod
    def of(cls, superclasses: Sequence[str] | None) -> "Superclasses | None":
        """From names by label; None where they say nothing: there are none, or one for all, or one for each class."""
        names = sorted(set(superclasses or []))
        if superclasses is None or not 1 < len(names) < len(superclasses):
            return None
        return cls(names, np.array([names.index(name) for name in superclasses]))

    def merge(self, confusion: Counts) -> Counts:
        """Counts by superclass, actual by predicted, from counts by class (K×K)."""
        belongs = np.eye(len(self.names), dtype=np.int64)[self.number]
        return belongs.T @ confusion @ belongs

    def figures(self, confusion: Counts) -> dict[str, float]:
        """The single numbers of a confusion matrix (K×K counts, actual by predicted), under the names that metrics use.

        `test_superclass_accuracy` takes a wrong class of the right superclass as right. `test_errors_inside` is the
        share of errors of that kind, and `test_errors_inside_chance` what it would be if each of these errors had
        fallen on any wrong class with the same probability; without errors there is neither.
        """
        inside = int(self.merge(confusion).trace())
        right, count = int(confusion.trace()), int(confusion.sum())
        figures = {"test_superclass_accuracy": inside / count}
        if right == count:
            return figures
        errors = confusion.sum(axis=1) - confusion.diagonal()
        siblings = np.bincount(self.number)[self.number] - 1
        chance = float(np.average(siblings / (len(self.number) - 1), weights=errors))
        return figures | {
            "test_errors_inside": (inside - right) / (count - right),
            "test_errors_inside_chance": chance,
        }
