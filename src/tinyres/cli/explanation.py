"""`tinyres predict --explain`: where a network looks in the images that it classified."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyres.cli.serving import ServedModel
from tinyres.common.dataset import Images
from tinyres.common.errors import UserError
from tinyres.evaluation.explanation import heat_maps
from tinyres.figures.explanations import Explained, plot_explanations


def plot_heat_maps(
    file: Path, model: ServedModel, predicted: Sequence[tuple[str, Images, Sequence[tuple[str, float]]]]
) -> None:
    """Plot what speaks for the most probable class of each image.

    Args:
        file: The PNG file to write.
        model: The network that made the predictions.
        predicted: For each image its caption, its pixels (uint8, H×W×3), and its classes with their probabilities,
            highest first.

    Raises:
        UserError: The network has no layer whose output has several positions.
    """
    labels = [model.description.classes.index(classes[0][0]) for _, _, classes in predicted]
    maps = heat_maps(model.classifier, np.stack([pixels for _, pixels, _ in predicted]), labels, model.machine)
    if maps is None:
        raise UserError("--explain works only for networks whose layers have a height and a width; leave it out.")
    rows = zip(predicted, maps, strict=True)
    plot_explanations(file, [Explained(name, pixels, *classes[0], heat) for (name, pixels, classes), heat in rows])
