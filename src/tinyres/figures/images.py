"""Grids of images: what training sees, and what a network makes of the test images."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinyres.common.dataset import Images
from tinyres.figures.style import picture

Heat = NDArray[np.float32]
"""How much each part of an image speaks for a class, from 0 to 1 (H×W)."""
RIGHT, WRONG = "black", "#B2182B"  # no network's colours
HEAT_COLOURS = "inferno"
GREY_MAP = "A map in plain grey means that no part of the image speaks for the predicted class."


def plot_augmentations(file: Path | str, rows: Sequence[tuple[str, Images]]) -> None:
    """A grid of images: one labelled row each, uint8 N×H×W×3, N the same in all."""
    columns = len(rows[0][1])
    with picture(file, width=10, height=len(rows) + 0.3) as figure:
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for (label, images), line in zip(rows, axes, strict=True):
            for image, axis in zip(images, line, strict=True):
                show_image(axis, image)
            line[0].set_ylabel(label, rotation=0, ha="right", va="center")


def plot_labelled_images(file: Path | str, images: Images, labels: Sequence[str], columns: int = 10) -> None:
    """A grid of images (uint8 N×H×W×3) with a label under each."""
    _plot_grid(file, images, [(label, "black") for label in labels], columns)


def plot_gallery(
    file: Path | str,
    images: Images,
    predicted: Sequence[str],
    probability: Sequence[float],
    actual: Sequence[str],
    heat: Sequence[Heat] | NDArray[np.float32] | None = None,
) -> None:
    """Images with the predicted class and its probability: ✓ if it is right, else ✗, red, and the right class.

    Args:
        file: Where to save the plot.
        images: uint8, N×H×W×3.
        predicted: The predicted classes (N).
        probability: Their probabilities (N).
        actual: The right classes (N).
        heat: How much each part of an image speaks for the predicted class, from 0 to 1 (N×H×W), to be shown beside it.
            A map of zeros is plain grey; if there is one, the figure says what that means.
    """
    captions = []
    for guess, share, truth in zip(predicted, probability, actual, strict=True):
        guess, truth = guess.replace("_", " "), truth.replace("_", " ")
        right = guess == truth
        sure = f"{guess} {100 * share:.0f} %"
        captions.append((f"✓ {sure}", RIGHT) if right else (f"✗ {sure}\nis {truth}", WRONG))
    if heat is None:
        _plot_grid(file, images, captions, columns=5)
    else:
        pairs = np.stack([beside_its_map(image, each) for image, each in zip(images, heat, strict=True)])
        note = "" if all(np.any(each) for each in heat) else GREY_MAP
        _plot_grid(file, pairs, captions, columns=4, scale=True, note=note)


def _plot_grid(
    file: Path | str,
    images: Images,
    captions: Sequence[tuple[str, str]],
    columns: int,
    scale: bool = False,
    note: str = "",
) -> None:
    rows = -(-len(images) // columns)
    width, (tall, wide) = 10 / columns, images.shape[1:3]
    beside, below = 0.8 if scale else 0, 0.3 if note else 0  # inches
    with picture(file, width=10 + beside, height=rows * (width * tall / wide + 0.35) + below) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        axes = grid.ravel()
        for axis, image, (words, colour) in zip(axes, images, captions, strict=False):
            show_image(axis, image)
            axis.set_xlabel(words, color=colour)
        for axis in axes[len(images) :]:
            axis.set_axis_off()
        if scale:
            add_scale(figure, grid)
        if note:
            figure.supxlabel(note, fontsize="medium")


def show_image(axis: Axes, image: Images) -> None:
    """One image (H×W×3) without ticks and frame, its pixels as squares."""
    axis.imshow(image, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def mapped(image: Images, heat: Heat) -> Images:
    """Return an image (H×W×3) in grey with its map over it."""
    grey = image.mean(axis=2, keepdims=True)
    colours = 255 * matplotlib.colormaps[HEAT_COLOURS](heat)[..., :3]
    return (0.45 * grey + 0.55 * colours).round().astype(np.uint8)


def beside_its_map(image: Images, heat: Heat) -> Images:
    """Return an image (H×W×3) and its map side by side, with white between them."""
    height, width = heat.shape
    white = np.full((height, max(1, width // 16), 3), 255, np.uint8)
    return np.concatenate([image, white, mapped(image, heat)], axis=1)


def add_scale(figure: Figure, axes: NDArray[np.object_]) -> None:
    """Add what the colours of maps mean."""
    bar = figure.colorbar(
        ScalarMappable(cmap=HEAT_COLOURS), ax=axes.ravel().tolist(), fraction=0.03, aspect=40, ticks=[0, 1]
    )
    bar.ax.set_yticklabels(["least", "most"])
    bar.set_label("speaks for the predicted class (Grad-CAM)")
