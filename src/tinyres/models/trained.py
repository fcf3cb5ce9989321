"""Trained networks on disk: written to a model folder, and rebuilt from one (see `tinyres.common.model_folder`)."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Description
from tinyres.common.errors import UserError
from tinyres.common.model_folder import DESCRIPTION, WEIGHTS, ModelDescription, read_model_description
from tinyres.models.architectures import build_network
from tinyres.models.classifier import Classifier
from tinyres.params import Model

ADDED: dict[str, Any] = {"dropout": 0.0, "stochastic_depth": 0.0, "init_from": None, "freeze": []}
"""Keys that the specs of the first models lack; none of them changes what a trained network predicts."""


def describe(name: str, spec: Model, data: Description, training: dict[str, Any]) -> ModelDescription:
    """What `model.json` says of a network for these images; if the spec says so, it standardises them by their own mean
    and standard deviation."""
    mean, std = (data.mean, data.std) if spec.standardise else ([0.0] * 3, [1.0] * 3)
    return ModelDescription(name, spec.model_dump(), data.classes, data.image_size, mean, std, training)


def build(description: ModelDescription) -> Classifier:
    """The network with fresh weights from torch's global generator; `init_from` and `freeze` are ignored.

    Raises:
        UserError: as for `build_network`.
    """
    spec = Model.model_validate(ADDED | description.spec)
    network = build_network(spec, len(description.classes), description.image_size)
    return Classifier(network, description.mean, description.std)


def save_model(folder: Path | str, classifier: Classifier, description: ModelDescription) -> None:
    """Write a model folder, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in classifier.network.state_dict().items()}
    with replacing(folder) as draft:
        draft.mkdir()
        save_file(weights, draft / WEIGHTS)
        text = json.dumps(asdict(description), indent=2) + "\n"
        (draft / DESCRIPTION).write_text(text, encoding="utf-8")


def load_model(folder: Path | str) -> tuple[Classifier, ModelDescription]:
    """Rebuild a trained model, ready for evaluation, on the CPU. Nothing is unpickled.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit the description.
    """
    description = read_model_description(folder)
    classifier = build(description)
    try:
        classifier.network.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{Path(folder) / WEIGHTS} cannot be loaded ({reason}); train it again with `dvc repro`."
        ) from None
    return classifier.eval(), description
