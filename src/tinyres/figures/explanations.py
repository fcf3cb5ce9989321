"""Plot of the parts of images that speak for the predicted class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyres.common.dataset import Images
from tinyres.figures.images import Heat, add_scale, mapped, show_image
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
    heat: Heat
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
            image, heat = axes[2 * (number // columns) : 2 * (number // columns) + 2, number % columns]
            for axis in (image, heat):
                axis.set_axis_on()
            show_image(image, each.pixels)
            image.set_title(shortened(each.caption), fontsize=9)
            show_image(heat, mapped(each.pixels, each.heat))
            heat.set_xlabel(f"{each.name.replace('_', ' ')} {100 * each.probability:.0f} %")
        add_scale(figure, axes)
