"""Grids of images: what training sees, and what a network makes of the test images."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from tinyres.common.dataset import Images
from tinyres.figures.style import picture

RIGHT, WRONG = "black", "#B2182B"  # no network's colours


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
    file: Path | str, images: Images, predicted: Sequence[str], probability: Sequence[float], actual: Sequence[str]
) -> None:
    """Images with the predicted class and its probability: ✓ if it is right, else ✗, red, and the right class."""
    captions = []
    for guess, share, truth in zip(predicted, probability, actual, strict=True):
        guess, truth = guess.replace("_", " "), truth.replace("_", " ")
        right = guess == truth
        sure = f"{guess} {100 * share:.0f} %"
        captions.append((f"✓ {sure}", RIGHT) if right else (f"✗ {sure}\nis {truth}", WRONG))
    _plot_grid(file, images, captions, columns=5)


def _plot_grid(file: Path | str, images: Images, captions: Sequence[tuple[str, str]], columns: int) -> None:
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
