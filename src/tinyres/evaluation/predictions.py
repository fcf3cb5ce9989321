"""A network's prediction for every test image, as CSV, so that networks can be compared image by image later."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyres.common.atomic import write_text
from tinyres.common.errors import UserError

COLUMNS = ["label", "predicted", "probability"]


@dataclass(frozen=True)
class Predictions:
    """One network's predictions for N test images, in the order of the test set."""

    labels: NDArray[np.int64]
    """The true labels (N)."""
    predicted: NDArray[np.int64]
    """The predicted labels (N)."""
    probability: NDArray[np.float64]
    """The probability that the network gives to each predicted label (N)."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is correct (N)."""
        return self.predicted == self.labels


def write_predictions(file: Path | str, predictions: Predictions) -> None:
    """Write one CSV line per image, with six significant digits of the probability; atomic."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    columns = (predictions.labels.tolist(), predictions.predicted.tolist(), predictions.probability.tolist())
    writer.writerows((label, guess, f"{share:.6g}") for label, guess, share in zip(*columns, strict=True))
    write_text(file, text.getvalue())


def read_predictions(file: Path | str) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        UserError: The file is missing or is not such a CSV file.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        if lines[:1] != [",".join(COLUMNS)]:
            raise ValueError("other columns")
        labels, predicted, probability = zip(*(line.split(",") for line in lines[1:]), strict=True)
        return Predictions(np.array(labels, np.int64), np.array(predicted, np.int64), np.array(probability, np.float64))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} holds no predictions ({error}); write it again with `dvc repro -f evaluate`."
        ) from None
