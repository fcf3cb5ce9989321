"""Classify image files with a stored model, for `tinyres predict`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyres.cli.serving import ServedModel
from tinyres.common.errors import UserError
from tinyres.sources.photographs import Photograph, read_photograph

TOP = 5
BATCH_SIZE = 100  # files read before the network runs once; what bounds the memory


@dataclass(frozen=True)
class Prediction:
    """The prediction for one file: either classes or an error."""

    file: Path
    classes: list[tuple[str, float]]
    """The most probable classes with their probabilities, highest first."""
    pixels: NDArray[np.uint8] | None
    """What the network saw, H×W×3."""
    note: str | None
    error: str | None


def predictions(model: ServedModel, files: Sequence[Path], top: int = TOP) -> Iterator[Prediction]:
    """Yield a prediction per file, in the order of the files, with one batch in memory at a time."""
    for start in range(0, len(files), BATCH_SIZE):
        some = files[start : start + BATCH_SIZE]
        read = [_read(file, model.description.image_size) for file in some]
        images = [each.pixels for each in read if isinstance(each, Photograph)]
        rows = iter(model.predict(np.stack(images))) if images else iter([])
        for file, each in zip(some, read, strict=True):
            if isinstance(each, str):
                yield Prediction(file, [], None, None, each)
            else:
                best = most_probable(next(rows), model.description.classes, top)
                yield Prediction(file, best, each.pixels, each.note, None)


def _read(file: Path, size: tuple[int, int]) -> Photograph | str:
    """Read an image, or return a sentence on why it cannot be read."""
    try:
        return read_photograph(file, size)
    except UserError as error:
        return str(error)


def most_probable(probabilities: NDArray[np.float32], classes: Sequence[str], top: int) -> list[tuple[str, float]]:
    """Return the `top` most probable classes of K probabilities, highest first; ties are in the order of labels."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(classes[label], float(probabilities[label])) for label in order]


def as_json(prediction: Prediction, model: str) -> str:
    """Format a prediction as a line of JSON: image, model, predictions (class, probability), note, error."""
    return json.dumps({
        "image": str(prediction.file),
        "model": model,
        "predictions": [{"class": name, "probability": share} for name, share in prediction.classes],
        "note": prediction.note,
        "error": prediction.error,
    })  # fmt: skip


def as_text(prediction: Prediction) -> str:
    """Format a prediction as the file's name and a line per class."""
    note = f" ({prediction.note})" if prediction.note else ""
    lines = [f"{share:8.2%}  {name}" for name, share in prediction.classes]
    return "\n".join([f"{printable(prediction.file)}{note}", *lines])


def printable(file: Path | str) -> str:
    """Replace by `?` the bytes of a file's name that are not UTF-8, which no terminal or figure can show."""
    return str(file).encode(errors="replace").decode()
