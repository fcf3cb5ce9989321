"""Which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tinyres.figures.style import picture


def draw_confusion(
    file: Path | str, matrix: NDArray[np.int64], classes: Sequence[str], superclasses: Sequence[str] | None
) -> None:
    """Share of each class's images by predicted class, per cent; rows and columns ordered by superclass (Figure 5a).

    Args:
        matrix: K×K counts, actual by predicted, in label order.
        classes: names by label.
        superclasses: names by label, or None.
    """
    order = block_order(classes, superclasses)
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    many = len(classes) > 20
    with picture(file, width=9 if many else 7, height=8 if many else 6) as figure:
        axis = figure.subplots()
        axis.grid(False)
        drawn = axis.imshow(share[np.ix_(order, order)], cmap="viridis", vmin=0, vmax=100)
        figure.colorbar(drawn, ax=axis, label="share of the class's test images (%)", shrink=0.8)
        if many and superclasses is not None:
            _mark_blocks(axis, [superclasses[label] for label in order])
        else:
            names = [classes[label] for label in order]
            axis.set_xticks(range(len(names)), names, rotation=90)
            axis.set_yticks(range(len(names)), names)
            if len(names) <= 10:
                _write_shares(axis, share[np.ix_(order, order)])
        axis.set_xlabel("predicted")
        axis.set_ylabel("actual")


def block_order(classes: Sequence[str], superclasses: Sequence[str] | None) -> list[int]:
    """Labels ordered by superclass, then by class."""
    if superclasses is None:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda label: (superclasses[label], classes[label]))


def _mark_blocks(axis: Axes, names: Sequence[str]) -> None:
    """Ticks in the middle of each run of equal names, thin lines between runs."""
    starts = [position for position, name in enumerate(names) if position == 0 or names[position - 1] != name]
    stops = [*starts[1:], len(names)]
    middles = [(start + stop - 1) / 2 for start, stop in zip(starts, stops, strict=True)]
    labels = [names[start].replace("_", " ") for start in starts]
    axis.set_xticks(middles, labels, rotation=90, fontsize=8)
    axis.set_yticks(middles, labels, fontsize=8)
    for start in starts[1:]:
        axis.axhline(start - 0.5, color="white", linewidth=0.3)
        axis.axvline(start - 0.5, color="white", linewidth=0.3)


def _write_shares(axis: Axes, share: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(share):
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", color="black" if value > 60 else "white")
