"""Networks by name, trained models on disk, and the machine they run on. Other rooms mostly use the names below."""

from tinyres.models.architectures import ARCHITECTURES, build_network
from tinyres.models.classifier import Classifier, count_parameters
from tinyres.models.trained import build, describe, load_model, save_model
from tinyres.models.transfer import freeze, take_weights

__all__ = [
    "ARCHITECTURES",
    "Classifier",
    "build",
    "build_network",
    "count_parameters",
    "describe",
    "freeze",
    "load_model",
    "save_model",
    "take_weights",
]
