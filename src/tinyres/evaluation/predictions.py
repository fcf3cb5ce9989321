"""What a network answered on each test image, kept so that two networks can be compared image by image later."""

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
class Answers:
    """One network's answers, in the order of the test images."""

    labels: NDArray[np.int64]
    """N: what the images show."""
    predicted: NDArray[np.int64]
    """N: what the network says."""
    probability: NDArray[np.float64]
    """N: how sure it is of that."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """N: whether the network is right."""
        return self.predicted == self.labels


def write_answers(file: Path | str, answers: Answers) -> None:
    """Write CSV, a line per image, whole or not at all; six significant digits of the probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    columns = (answers.labels.tolist(), answers.predicted.tolist(), answers.probability.tolist())
    writer.writerows((label, says, f"{share:.6g}") for label, says, share in zip(*columns, strict=True))
    write_text(file, text.getvalue())


def read_answers(file: Path | str) -> Answers:
    """The answers as written.

    Raises:
        UserError: the file is missing, or holds something else.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        if lines[:1] != [",".join(COLUMNS)]:
            raise ValueError("other columns")
        labels, predicted, probability = zip(*(line.split(",") for line in lines[1:]), strict=True)
        return Answers(np.array(labels, np.int64), np.array(predicted, np.int64), np.array(probability, np.float64))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} holds no answers ({error}); make it again with `dvc repro -f evaluate`.") from None
