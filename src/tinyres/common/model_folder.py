"""A trained model as a folder: plain weights, and what it takes to rebuild the network.

<folder>/model.safetensors   the weights, without any wrapper's prefix
<folder>/model.json          architecture, stem, classes, image size, normalisation, and how it was trained
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class ModelDescription:
    """What `model.json` says."""

    name: str
    spec: dict[str, Any]
    """The model's section of `params.yaml`: architecture, stem, regularisation, initial weights."""
    classes: list[str]
    image_size: tuple[int, int]
    """Height and width, pixels."""
    mean: list[float]
    """Per channel, in [0, 1]."""
    std: list[float]
    """Per channel, in [0, 1]."""
    training: dict[str, Any]
    """Its training's parameters, the hash of the data, and that of the initial weights if they were given."""


def read_model_description(folder: Path | str) -> ModelDescription:
    """The content of `model.json`.

    Raises:
        UserError: there is none, or it is not one of ours.
    """
    file = Path(folder) / DESCRIPTION
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return ModelDescription(**content | {"image_size": tuple(content["image_size"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} describes no model ({error}); train it again with `dvc repro`.") from None


def weights_hash(folder: Path | str) -> str:
    """SHA-256 of the weights file: the name by which a model's MLflow run is found again."""
    return hash_files([Path(folder) / WEIGHTS])
