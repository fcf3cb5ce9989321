"""Plots of confusion matrices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray

from tinyres.evaluation.superclasses import Superclasses
from tinyres.figures.style import picture


def plot_confusion(
    file: Path | str, matrix: NDArray[np.int64], classes: Sequence[str], superclasses: Superclasses | None
) -> None:
    """Plot the share of each class's images by predicted class, in per cent (the paper's Figure 5a).

    With superclasses, rows and columns are ordered by superclass, and a second panel shows the superclasses themselves.

    Args:
        file: Where to save the plot.
        matrix: The number of images by actual and predicted label (K×K).
        classes: The names of the classes, by label (K).
        superclasses: The grouping of the classes; None if there is none worth showing.
    """
    many = len(classes) > 20
    width, height = (9, 8) if many else (7, 6)
    with picture(file, width, height if superclasses is None else 2 * height) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots(1 if superclasses is None else 2, squeeze=False)[:, 0]
        order = block_order(classes, superclasses)
        _plot_shares(axes[0], matrix[np.ix_(order, order)], "share of the class's test images (%)")
        if many and superclasses is not None:
            _mark_blocks(axes[0], [superclasses.names[superclasses.number[label]] for label in order])
        else:
            _name_ticks(axes[0], range(len(order)), [classes[label] for label in order])
        if superclasses is not None:
            _plot_shares(axes[1], superclasses.merge(matrix), "share of the superclass's test images (%)")
            _name_ticks(axes[1], range(len(superclasses.names)), superclasses.names)
        figure.align_ylabels()


def block_order(classes: Sequence[str], superclasses: Superclasses | None) -> list[int]:
    """Return the labels ordered by superclass and then by the name of the class; in their own order without one."""
    if superclasses is None:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda label: (superclasses.number[label], classes[label]))


def _plot_shares(axis: Axes, matrix: NDArray[np.int64], meaning: str) -> None:
    """Plot the shares of each row in per cent, with numbers if there is room for them.

    Colours follow the square root, which keeps one mistake in a hundred visible beside the correct predictions.
    """
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.grid(False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("actual")
    if len(matrix) <= 20:
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.5:
                colour = "black" if value < 40 else "white"
                size = 10 if len(matrix) <= 10 else 7.5
                axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=size)
    image = axis.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    label = f"{meaning}\n(colours by its square root)"
    scale = axis.inset_axes((1.03, 0, 0.04, 1))  # exactly as high as the panel, whatever its labels take
    axis.figure.colorbar(image, cax=scale, label=label, ticks=[0, 1, 5, 10, 20, 40, 60, 80, 100])


def _name_ticks(axis: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    size = 10 if len(names) <= 10 else 8
    words = [name.replace("_", " ") for name in names]
    axis.set_xticks(places, words, rotation=90 if max(map(len, words)) > 2 else 0, fontsize=size)
    axis.set_yticks(places, words, fontsize=size)


def _mark_blocks(axis: Axes, names: Sequence[str]) -> None:
    """Put a tick in the middle of each run of equal names, and a thin line between runs."""
    starts = [position for position, name in enumerate(names) if position == 0 or names[position - 1] != name]
    stops = [*starts[1:], len(names)]
    _name_ticks(
        axis,
        [(start + stop - 1) / 2 for start, stop in zip(starts, stops, strict=True)],
        [names[start] for start in starts],
    )
    for start in starts[1:]:
        axis.axhline(start - 0.5, color="grey", linewidth=0.3)
        axis.axvline(start - 0.5, color="grey", linewidth=0.3)
