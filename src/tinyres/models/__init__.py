"""Networks by name, and trained ones as folders; what other modules use of them stands here."""

from tinyres.models.architectures import ARCHITECTURES, build_network
from tinyres.models.classifier import Classifier, count_parameters
from tinyres.models.model_folder import (
    DESCRIPTION,
    WEIGHTS,
    ModelDescription,
    build,
    describe,
    load_model,
    read_model_description,
    save_model,
    weights_hash,
)
from tinyres.models.transfer import freeze, take_weights

__all__ = [
    "ARCHITECTURES",
    "DESCRIPTION",
    "WEIGHTS",
    "Classifier",
    "ModelDescription",
    "build",
    "build_network",
    "count_parameters",
    "describe",
    "freeze",
    "load_model",
    "read_model_description",
    "save_model",
    "take_weights",
    "weights_hash",
]
