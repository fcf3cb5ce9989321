"""Screening of a recipe's ingredients: all are tried at once, each in half of the runs, to see which ones help."""

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
"""Whether each run has each ingredient (runs × ingredients)."""


def screening_design(ingredients: int) -> Design:
    """Return a two-level design in which half of the runs have a given ingredient, and a quarter a given pair.

    All runs then contribute to the estimate of each effect, which is as precise as if that ingredient alone had been
    tried in as many runs. Up to 4 ingredients take 8 runs, up to 8 take 16. The first run has all ingredients.

    Interactions of two ingredients do not bias the effect of any single one: the columns are those of a Hadamard matrix
    with an odd number of factors, and no product of two of them is among them (resolution IV; G. E. P. Box and
    J. S. Hunter, 1961, doi:10.1080/00401706.1961.10489951).
    """
    runs = 8
    while runs < 2 * ingredients:
        runs *= 2
    odd = [column for column in range(runs) if column.bit_count() % 2]
    return np.asarray(hadamard(runs)[:, odd[:ingredients]] > 0)


@dataclass(frozen=True)
class IngredientEffect:
    """The effect of one ingredient, averaged over runs with and without each of the others, in fractions."""

    without: float
    """Mean accuracy of the runs without the ingredient."""
    with_it: float
    """Mean accuracy of the runs with it."""
    value: float
    """The difference between the two means."""
    low: float
    """Lower end of the 95 % interval of the difference (Student's t, each run being one observation)."""
    high: float
    """Upper end of that interval."""


def ingredient_effects(design: Design, accuracies: Sequence[float]) -> list[IngredientEffect]:
    """Return the ingredients' effects, in the order of the design's columns.

    The intervals rest on the residuals of a model with main effects only, over runs with different seeds. The residuals
    contain interactions as well as random variation, so the intervals are too wide rather than too narrow.

    Args:
        design: Which run has which ingredient (runs × ingredients).
        accuracies: Accuracy of each run, a fraction.
    """
    values = np.asarray(accuracies)
    signs = np.where(design, 1.0, -1.0)
    means = signs.T @ values / len(values)  # half the effects: the columns are orthogonal and sum to 0
    unexplained = values - values.mean() - signs @ means
    freedom = len(values) - 1 - design.shape[1]
    deviation = np.sqrt((unexplained**2).sum() / freedom)
    margin = float(t.ppf((1 + LEVEL) / 2, freedom) * 2 * deviation / np.sqrt(len(values)))
    return [
        IngredientEffect(
            float(values.mean() - half), float(values.mean() + half), 2 * half, 2 * half - margin, 2 * half + margin
        )
        for half in means.tolist()
    ]


def ingredient_effects_table(
    effects: Mapping[str, IngredientEffect], ingredients: Mapping[str, Mapping[str, Any]]
) -> Table:
    """Tabulate the ingredients, the most useful first, in per cent and percentage points, each with its `-S` options.

    Args:
        effects: The effects by the ingredients' names.
        ingredients: By the same names, the parameters that make up each ingredient: dotted name and value.
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
    """Tabulate the runs: number, 1 or 0 for each ingredient, and accuracy on the validation images (a fraction)."""
    rows = [
        [str(number), *(str(int(has)) for has in row), f"{accuracy:.4f}"]
        for number, (row, accuracy) in enumerate(zip(design, accuracies, strict=True))
    ]
    return Table(["run", *names, "val_accuracy"], rows)
