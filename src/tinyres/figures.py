"""Pictures of results, all in one style, with bytes that depend on the results alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tinyres.atomic import replacing
from tinyres.data.arrays import Images
from tinyres.history import Record, monitored_split

# Okabe and Ito's colours, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/).
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}


@contextmanager
def picture(file: Path | str, width: float = 7, height: float = 4) -> Iterator[Figure]:
    """A figure (inches) in the project's style, saved as PNG without the time or the program's version."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height))
        try:
            yield figure
            with replacing(file) as draft:
                figure.savefig(draft, format="png", metadata={"Software": None})
        finally:
            plt.close(figure)


def draw_augmentations(file: Path | str, rows: Sequence[tuple[str, Images]]) -> None:
    """A grid of images: one labelled row each, uint8 N×H×W×3, N the same in all."""
    columns = len(rows[0][1])
    with picture(file, width=10, height=len(rows) + 0.3) as figure:
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for (label, images), line in zip(rows, axes, strict=True):
            for image, axis in zip(images, line, strict=True):
                show_image(axis, image)
            line[0].set_ylabel(label, rotation=0, ha="right", va="center")


def draw_labelled_images(file: Path | str, images: Images, labels: Sequence[str], columns: int = 10) -> None:
    """A grid of images (uint8 N×H×W×3) with a label under each."""
    _draw_grid(file, images, [(label, "black") for label in labels], columns)


def draw_gallery(
    file: Path | str, images: Images, predicted: Sequence[str], probability: Sequence[float], actual: Sequence[str]
) -> None:
    """Images with the predicted class and its probability; ✓ and blue where it is right, else ✗ and the right class."""
    captions = []
    for guess, share, truth in zip(predicted, probability, actual, strict=True):
        guess, truth = guess.replace("_", " "), truth.replace("_", " ")
        right = guess == truth
        words = f"✓ {guess} {share:.0%}" if right else f"✗ {guess} {share:.0%}\nis {truth}"
        captions.append((words, COLOURS[0] if right else COLOURS[1]))
    _draw_grid(file, images, captions, columns=5)


def _draw_grid(file: Path | str, images: Images, captions: Sequence[tuple[str, str]], columns: int) -> None:
    rows = -(-len(images) // columns)
    with picture(file, width=10, height=rows * (10 / columns + 0.35)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, image, (words, colour) in zip(axes, images, captions, strict=False):
            show_image(axis, image)
            axis.set_xlabel(words, color=colour)
        for axis in axes[len(images) :]:
            axis.set_axis_off()


def show_image(axis: Axes, image: Images) -> None:
    """One image (H×W×3) without ticks and frame, its pixels as squares."""
    axis.imshow(image, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def draw_curves(file: Path | str, histories: Mapping[str, Sequence[Record]], quantity: str) -> None:
    """Training (dashed) and monitored (solid) `accuracy` or `loss` of every model against epochs (Figure 4)."""
    followed = monitored_split(next(iter(histories.values())))
    prefix = "val" if followed == "validation" else "test"
    scale = 100 if quantity == "accuracy" else 1
    with picture(file) as figure:
        axis = figure.subplots()
        for number, (name, records) in enumerate(histories.items()):
            epochs = [record["epoch"] for record in records]
            marker = "o" if len(epochs) == 1 else None
            for series, line in (("train", "--"), (prefix, "-")):
                values = [record[f"{series}_{quantity}"] * scale for record in records]
                label = f"{name}, {'training' if series == 'train' else followed}"
                axis.plot(epochs, values, line, color=COLOURS[number], marker=marker, label=label)
        axis.set_xlabel("epoch")
        axis.set_ylabel("accuracy (%)" if quantity == "accuracy" else "cross-entropy loss (nats)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend()


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


def draw_embeddings(
    file: Path | str, points: Mapping[str, NDArray[np.float32]], groups: NDArray[np.int64], names: Sequence[str]
) -> None:
    """t-SNE of each model side by side, coloured by group (Figure 5b).

    Args:
        points: N×2 per model.
        groups: N, index into `names`.
        names: of the groups: superclasses, or classes where there are none.
    """
    colours = matplotlib.color_sequences["tab20" if len(names) > 10 else "tab10"]
    with picture(file, width=5 * len(points), height=5.2 + 0.22 * -(-len(names) // 4)) as figure:
        axes = figure.subplots(1, len(points), squeeze=False)[0]
        for axis, (name, position) in zip(axes, points.items(), strict=True):
            for group, label in enumerate(name.replace("_", " ") for name in names):
                chosen = groups == group
                axis.scatter(*position[chosen].T, s=4, color=colours[group % len(colours)], label=label,
                             linewidths=0)  # fmt: skip
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_xlabel(name)
            axis.set_aspect("equal", adjustable="datalim")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(names)), markerscale=3, fontsize=8)
