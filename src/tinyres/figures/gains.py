"""Plot of how much one network gains on another, class by class."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from tinyres.figures.style import COLOURS, picture

ONE_COLUMN = 25  # classes; more take two columns


def plot_gains(file: Path | str, gains: Sequence[tuple[str, float]], models: Sequence[str]) -> None:
    """Plot a bar for each class, in the order given.

    Args:
        file: Where to save the plot.
        gains: The name of each class, and the second model's gain over the first in percentage points.
        models: The names of the two models.
    """
    columns = 1 if len(gains) <= ONE_COLUMN else 2
    rows = -(-len(gains) // columns)
    with picture(file, width=7 if columns == 1 else 9, height=1 + 0.22 * rows) as figure:
        axes = figure.subplots(1, columns, sharex=True, squeeze=False)[0]
        for column, axis in enumerate(axes):
            _plot_bars(axis, gains[column * rows : (column + 1) * rows], rows)
        figure.supxlabel(f"accuracy of {models[1]} − accuracy of {models[0]} (points)", fontsize=10)


def _plot_bars(axis: Axes, gains: Sequence[tuple[str, float]], rows: int) -> None:
    values = [value for _, value in gains]
    axis.barh(range(len(gains)), values, color=[COLOURS[0] if value >= 0 else COLOURS[1] for value in values])
    axis.set_yticks(range(len(gains)), [name.replace("_", " ") for name, _ in gains])
    axis.set_ylim(rows - 0.4, -0.6)
    axis.grid(False, axis="y")
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.axvline(0, color="black", linewidth=0.8)
