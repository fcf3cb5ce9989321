"""Plot of a network's predictions for unlabelled images."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from tinyres.common.dataset import Images
from tinyres.figures.images import show_image
from tinyres.figures.style import COLOURS, picture


def plot_probabilities(file: Path | str, rows: Sequence[tuple[str, Images, Sequence[tuple[str, float]]]]) -> None:
    """Plot each image as the network saw it, beside a bar chart of its most probable classes, in per cent.

    Args:
        file: Where to save the plot.
        rows: For each image its caption, its pixels (uint8, H×W×3), and its classes with their probabilities, highest
            first.
    """
    columns = 1 if len(rows) == 1 else 2
    lines = -(-len(rows) // columns)
    with picture(file, width=5 * columns, height=1.75 * lines + 0.4) as figure:
        axes = figure.subplots(lines, 2 * columns, squeeze=False, width_ratios=[1, 1.6] * columns).reshape(-1, 2)
        for (image_axis, bar_axis), (caption, image, classes) in zip(axes, rows, strict=False):
            show_image(image_axis, image)
            image_axis.set_title(shortened(caption), fontsize=9)
            _plot_bars(bar_axis, classes)
        for axis in axes[len(rows) :].ravel():
            axis.set_axis_off()
        for _, lowest in axes[max(0, len(rows) - columns) : len(rows)]:
            lowest.set_xlabel("probability (%)")


def _plot_bars(axis: Axes, classes: Sequence[tuple[str, float]]) -> None:
    names = [name.replace("_", " ") for name, _ in classes]
    shares = [100 * share for _, share in classes]
    bars = axis.barh(range(len(names)), shares, color=[COLOURS[0]] + [COLOURS[5]] * (len(names) - 1))
    axis.bar_label(bars, fmt="%.1f", padding=3, fontsize=9)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.set_xlim(0, 118)  # room for the number beside a full bar
    axis.set_xticks([0, 50, 100])
    axis.spines["bottom"].set_bounds(0, 100)
    axis.grid(axis="y", visible=False)
    axis.set_axisbelow(True)


def shortened(name: str, length: int = 24) -> str:
    """Return a file's name, with its middle replaced by … if it is longer than `length` characters."""
    return name if len(name) <= length else f"{name[: length - 9]}…{name[-8:]}"
