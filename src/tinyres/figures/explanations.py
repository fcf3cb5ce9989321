"""Plot of the parts of images that speak for the predicted class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Images
from tinyres.figures.images import show_image
from tinyres.figures.probabilities import shortened
from tinyres.figures.style import picture

COLUMNS = 5  # images side by side, each above its map


@dataclass(frozen=True)
class Explained:
    """One image and the class that its map is about."""

    caption: str
    pixels: Images
    """What the network saw (H×W×3)."""
    name: str
    """The predicted class."""
    probability: float
    heat: NDArray[np.float32]
    """How much each part speaks for the class, from 0 to 1 (H×W)."""


def plot_explanations(file: Path | str, explained: Sequence[Explained]) -> None:
    """Plot each image above the same image in grey with its map over it."""
    columns = min(COLUMNS, len(explained))
    rows = -(-len(explained) // columns)
    with picture(file, width=2 * columns + 1.2, height=4.5 * rows) as figure:
        axes = figure.subplots(2 * rows, columns, squeeze=False)
        for axis in axes.ravel():
            axis.set_axis_off()
        for number, each in enumerate(explained):
            seen, mapped = axes[2 * (number // columns) : 2 * (number // columns) + 2, number % columns]
            for axis in (seen, mapped):
                axis.set_axis_on()
            show_image(seen, each.pixels)
            seen.set_title(shortened(each.caption), fontsize=9)
            show_image(mapped, each.pixels.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8))
            drawn = mapped.imshow(each.heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1, interpolation="nearest")
            mapped.set_xlabel(f"{each.name.replace('_', ' ')} {100 * each.probability:.0f} %")
        bar = figure.colorbar(drawn, ax=axes, fraction=0.03, ticks=[0, 1])
        bar.ax.set_yticklabels(["least", "most"])
        bar.set_label("speaks for the class (Grad-CAM)")
