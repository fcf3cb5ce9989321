"""Plots of the test images' features in the plane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tinyres.figures.colours import distinct_colours
from tinyres.figures.style import MARKERS, picture

Points = NDArray[np.float32]
Labels = NDArray[np.int64]

CLOSER = "aquatic_mammals"  # the superclass to enlarge: the report's; the first one if it is not among the images
CENTRAL = 0.8  # share of that superclass's images that the enlarged square holds, in each direction
FAR = 1.5  # points this many times as far out as 99 % of the coordinates are left out
SIDE = 4.0  # inches of a map: two side by side fill a page's width with letters of the page's size
COLUMNS = 3  # of the legend
SHAPES = 4  # of the markers, which tell similar colours apart
REST = "0.85"  # grey of all other images in the enlarged square


def plot_embeddings(
    file: Path | str,
    points: Mapping[str, Points],
    labels: Labels,
    classes: Sequence[str],
    superclasses: Sequence[str] | None,
) -> None:
    """Plot the t-SNE of each model side by side (the paper's Figure 5b).

    The upper row is coloured by superclass; the lower one enlarges the classes of one superclass. All maps of a row
    have the same scale. If there are fewer than two superclasses, there is a single row, coloured by class.

    Args:
        file: Where to save the plot.
        points: By model, the position of each image (N×2).
        labels: The true labels (N).
        classes: The names of the classes, by label.
        superclasses: The names of their superclasses, by label; None if there are none.
    """
    names = sorted(set(superclasses or []))
    has_closer_look = superclasses is not None and len(names) > 1
    rows = 2 if has_closer_look else 1
    whole = {name: Square((0.0, 0.0), reach(points)) for name in points}
    longest = max(len(names), 1) if has_closer_look else len(classes)
    lines = -(-longest // COLUMNS)
    with picture(file, width=SIDE * max(len(points), 2), height=(SIDE + 0.6) * rows + 0.25 * lines) as figure:
        heights = [SIDE + 0.4 + 0.25 * lines, SIDE + 0.8][:rows]
        parts = figure.subfigures(rows, 1, squeeze=False, height_ratios=heights)[:, 0]
        if superclasses is None or not has_closer_look:
            _plot_row(parts[0], points, labels, classes, whole)
            return
        groups = np.array([names.index(superclass) for superclass in superclasses])[labels]
        chosen = CLOSER if CLOSER in names else names[0]
        members = [label for label, superclass in enumerate(superclasses) if superclass == chosen]
        within = np.array([members.index(label) if label in members else -1 for label in range(len(classes))])[labels]
        parts_of_maps = closer_look({name: position[within >= 0] for name, position in points.items()})
        for axis, square in zip(_plot_row(parts[0], points, groups, names, whole), parts_of_maps.values(), strict=True):
            axis.add_patch(square.outline())
        legend = f"{chosen.replace('_', ' ')}, in the squares above; all other images grey"
        _plot_row(parts[1], points, within, [classes[label] for label in members], parts_of_maps, legend)


@dataclass(frozen=True)
class Square:
    """A square part of a map, in t-SNE's own units."""

    centre: tuple[float, float]
    half: float
    """Half the length of a side."""

    def outline(self) -> Rectangle:
        """Return its outline, to be added to the map."""
        corner = (self.centre[0] - self.half, self.centre[1] - self.half)
        return Rectangle(corner, 2 * self.half, 2 * self.half, fill=False, linestyle="--", linewidth=1.2, zorder=5)


def reach(points: Mapping[str, Points]) -> float:
    """Return the largest coordinate of any image, with a margin.

    A few distant outliers are ignored, since they would shrink the rest of the map to a dot.
    """
    coordinates = np.abs(np.concatenate(list(points.values())))
    return 1.03 * min(float(coordinates.max()), FAR * float(np.quantile(coordinates, 0.99)))


def closer_look(points: Mapping[str, Points]) -> dict[str, Square]:
    """Return, for each map, the square to enlarge: all of one size, each around most of the given images."""
    tails = [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2]
    ends = {name: np.quantile(position, tails, axis=0) for name, position in points.items()}
    half = 1.05 * max(float((high - low).max()) for low, high in ends.values()) / 2
    centres = {name: (low + high) / 2 for name, (low, high) in ends.items()}
    return {name: Square((float(across), float(up)), half) for name, (across, up) in centres.items()}


def _plot_row(
    figure: SubFigure,
    points: Mapping[str, Points],
    groups: Labels,
    names: Sequence[str],
    squares: Mapping[str, Square],
    legend: str | None = None,
) -> list[Axes]:
    """Plot a square of each model's map, with a legend of the groups below; images of group −1 are grey."""
    axes = list(figure.subplots(1, len(points), squeeze=False)[0])
    for axis, (name, position) in zip(axes, points.items(), strict=True):
        _plot_map(axis, position, groups, names)
        (across, up), half = squares[name].centre, squares[name].half
        axis.set_xlim(across - half, across + half)
        axis.set_ylim(up - half, up + half)
        axis.set_xlabel(name)
    handles, labels = axes[0].get_legend_handles_labels()
    columns = min(COLUMNS, len(names)) if legend is None else len(names)
    figure.legend(handles, labels, title=legend, loc="outside lower center", ncols=columns, markerscale=3)
    return axes


def _plot_map(axis: Axes, position: Points, groups: Labels, names: Sequence[str]) -> None:
    colours, rest = distinct_colours(len(names)), groups < 0
    axis.scatter(position[rest, 0], position[rest, 1], s=4, color=REST, linewidths=0)
    for group, label in enumerate(name.replace("_", " ") for name in names):
        chosen = groups == group
        size = 16 if rest.any() else 7
        horizontal, vertical = position[chosen].T
        marker = MARKERS[group % SHAPES]
        axis.scatter(horizontal, vertical, s=size, color=colours[group], marker=marker, label=label, linewidths=0)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_aspect("equal")
    axis.spines[:].set_visible(True)
