"""Plot of how much one network gains on another, class by class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tinyres.evaluation.uncertainty import Estimate
from tinyres.figures.style import looks, picture

ONE_COLUMN = 25  # classes; more take two columns


def plot_gains(file: Path | str, gains: Sequence[tuple[str, Estimate]], models: Sequence[str]) -> None:
    """Plot a bar for each class, in the order given, in the colour of the more accurate network, with its interval.

    Args:
        file: Where to save the plot.
        gains: The name of each class, and the second model's accuracy minus the first's, as fractions.
        models: The names of the two models.
    """
    columns = 1 if len(gains) <= ONE_COLUMN else 2
    rows = -(-len(gains) // columns)
    colours = [look.colour for look in looks(models).values()]
    with picture(file, width=7 if columns == 1 else 9, height=1.4 + 0.22 * rows) as figure:
        axes = figure.subplots(1, columns, sharex=True, squeeze=False)[0]
        for column, axis in enumerate(axes):
            _plot_bars(axis, gains[column * rows : (column + 1) * rows], rows, colours)
        handles = [Patch(color=colour, label=f"{name} better") for name, colour in zip(models, colours, strict=True)]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
        figure.supxlabel(f"accuracy of {models[1]} − accuracy of {models[0]} (points), 95 % intervals", fontsize=10)


def _plot_bars(axis: Axes, gains: Sequence[tuple[str, Estimate]], rows: int, colours: Sequence[str]) -> None:
    points = 100 * np.array([(gain.value, gain.low, gain.high) for _, gain in gains])
    value, low, high = points.T
    axis.barh(range(len(gains)), value, color=[colours[1] if each >= 0 else colours[0] for each in value])
    axis.hlines(range(len(gains)), low, high, color="black", linewidth=0.8)
    axis.set_yticks(range(len(gains)), [name.replace("_", " ") for name, _ in gains])
    axis.set_ylim(rows - 0.4, -0.6)
    axis.grid(False, axis="y")
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.axvline(0, color="black", linewidth=0.8)
