"""The weights that a training starts from: `models.<name>.init_from` and `freeze`."""

import pickle
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files
from tinyres.common.model_folder import WEIGHTS, weights_hash
from tinyres.models import Classifier, freeze, take_weights
from tinyres.params import Model

DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")  # torchvision's DenseNets have no second dot any more


@dataclass(frozen=True)
class InitialWeights:
    """Weights by parameter name, and where they are from."""

    source: str
    values: dict[str, Tensor]
    hash: str
    """SHA-256 of the file that holds them."""


def read_initial_weights(spec: Model, find: Callable[[str], AbstractContextManager[Path]]) -> InitialWeights | None:
    """The weights that `init_from` names, or None where it is null.

    It names a model (a folder, or one in MLflow) or a file of torchvision's own weights. Nothing but tensors is
    unpickled. A path starts from the working folder, the study's.

    Args:
        spec: the model's section of `params.yaml`.
        find: the folder of a model that is named by its folder or by an MLflow URI, kept while the body runs.

    Raises:
        UserError: the model or file is missing, cannot be read, or holds no weights.
    """
    if spec.init_from is None:
        return None
    if Path(spec.init_from).is_file():
        return _from_file(Path(spec.init_from))
    if spec.init_from.endswith((".pth", ".pt")):
        raise UserError(f"init_from: there is no file {spec.init_from}; put torchvision's weights there.")
    with find(spec.init_from) as folder:
        try:
            values = load_file(folder / WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise _unreadable(spec.init_from, error) from None
        return InitialWeights(spec.init_from, values, weights_hash(folder))


def initialise(classifier: Classifier, weights: InitialWeights | None, spec: Model) -> Classifier:
    """Put the initial weights in place and freeze the parts that the model names.

    Mean and standard deviation stay those of the new model's own images: weights that were trained with other
    statistics see pixels on another scale, to which batch norms adapt unless they are frozen.

    Raises:
        UserError: the weights do not fit the network, or the network lacks a part that is to be frozen.
    """
    if weights is not None:
        take_weights(classifier.network, weights.values, weights.source)
    if spec.freeze:
        freeze(classifier.network, spec.freeze)
    return classifier


def _from_file(file: Path) -> InitialWeights:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise _unreadable(str(file), error) from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"init_from: {file} holds no plain weights by name; give a file of torchvision's own.")
    values = {DENSE_LAYER.sub(r"\1\2", name): value for name, value in content.items()}
    return InitialWeights(str(file), values, hash_files([file]))


def _unreadable(source: str, error: Exception) -> UserError:
    reason = (str(error).splitlines() or ["empty file"])[0][:120].rstrip(".")
    return UserError(f"init_from: the weights of {source} cannot be read ({reason}); get or train them again.")
