"""Which ingredients of a recipe raise the accuracy: several are tried at once, each in half of the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.stats import t

from tinyres.evaluation.tables import Table
from tinyres.evaluation.uncertainty import LEVEL
from tinyres.params.overrides import override

Design = NDArray[np.bool_]
"""Runs × ingredients: whether a run has an ingredient."""


def screening_design(ingredients: int) -> Design:
    """Runs that have each ingredient in one half, and each pair of them in one quarter.

    Each effect then comes of all runs, as if no other ingredient had been tried, in as many runs as it would take to
    repeat one of them twice. Up to 4 ingredients take 8 runs, up to 8 take 16. What two ingredients do to each other
    falls on no single one's effect: the columns are those of a Hadamard matrix with an odd number of factors, and the
    product of two of them is none of them (resolution IV; G. E. P. Box and J. S. Hunter, 1961,
    doi:10.1080/00401706.1961.10489951). The first run has all ingredients.
    """
    runs = 8
    while runs < 2 * ingredients:
        runs *= 2
    odd = [column for column in range(runs) if column.bit_count() % 2]
    return np.asarray(hadamard(runs)[:, odd[:ingredients]] > 0)


@dataclass(frozen=True)
class Effect:
    """What one ingredient brings, all others being there as often as not. Fractions."""

    without: float
    """Mean accuracy of the runs without it."""
    with_it: float
    value: float
    """The difference of the two."""
    low: float
    high: float
    """The 95 % interval's ends; Student's, each run being one observation."""


def effects_of(design: Design, accuracies: Sequence[float]) -> list[Effect]:
    """The ingredients' effects, in the order of the design's columns.

    The spread is that of what the single effects leave unexplained, over runs of different seeds: chance and whatever
    ingredients do to each other, so the intervals are rather too wide.
    """
    values = np.asarray(accuracies)
    signs = np.where(design, 1.0, -1.0)
    means = signs.T @ values / len(values)  # half the effects: the columns are orthogonal and sum to 0
    unexplained = values - values.mean() - signs @ means
    freedom = len(values) - 1 - design.shape[1]
    deviation = np.sqrt((unexplained**2).sum() / freedom)
    margin = float(t.ppf((1 + LEVEL) / 2, freedom) * 2 * deviation / np.sqrt(len(values)))
    return [
        Effect(float(values.mean() - half), float(values.mean() + half), 2 * half, 2 * half - margin, 2 * half + margin)
        for half in means.tolist()
    ]


def effects_table(effects: Mapping[str, Effect], ingredients: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per ingredient, the most useful first, in per cent and points; what each is, as after `dvc exp run -S`.

    Args:
        effects: by the ingredient's name.
        ingredients: by the same name, the values that make it up, by the parameters' dotted names.
    """
    header = ["ingredient", "without (%)", "with (%)", "effect (points)", "95 % interval", "`-S`"]
    rows = [
        [
            name,
            f"{100 * each.without:.2f}",
            f"{100 * each.with_it:.2f}",
            f"{100 * each.value:+.2f}",
            f"{100 * each.low:+.2f} to {100 * each.high:+.2f}",
            " ".join(f"`{override(*change)}`" for change in ingredients[name].items()),
        ]
        for name, each in sorted(effects.items(), key=lambda item: -item[1].value)
    ]
    return Table(header, rows)


def runs_table(names: Sequence[str], design: Design, accuracies: Sequence[float]) -> Table:
    """A row per run: its number, 1 for each ingredient that it has, and its accuracy."""
    rows = [
        [str(number), *(str(int(has)) for has in row), f"{accuracy:.4f}"]
        for number, (row, accuracy) in enumerate(zip(design, accuracies, strict=True))
    ]
    return Table(["run", *names, "val_accuracy"], rows)
