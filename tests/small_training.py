"""A training of a second on real digits, with everything that holds state or draws, for tests of the engine."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from tinyres.common.curves import NOT_RESULTS
from tinyres.common.dataset import Split
from tinyres.models import Classifier
from tinyres.models.machine import prepare_machine
from tinyres.params import Params, load_yaml, validate_params
from tinyres.sources.subset import _first_of_each
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.placement import DeviceSplit
from tinyres.training.seeds import seed_of
from tinyres.training.trainer import Trainer, TrainerImages

CPU = torch.device("cpu")


def changed(**changes: object) -> Params:
    """The committed parameters with some of them changed (`optimizer__name` for a section's)."""
    content = load_yaml(Path(__file__).parents[1] / "params.yaml") | {"epochs": 3, "batch_size": 32}
    for name, value in changes.items():
        *sections, key = name.split("__")
        place = content
        for section in sections:
            place = place[section]
        place[key] = value
    return validate_params(content)


def digits(per_class: int) -> DeviceSplit:
    images, labels = load_digits(return_X_y=True)
    grey = (images.reshape(-1, 8, 8, 1) * (255 / 16)).round().astype("uint8").repeat(3, axis=3)
    split = Split(grey, labels.astype("int64"))
    return DeviceSplit.from_arrays(split.take(_first_of_each(split.labels, per_class)), CPU)


TRAIN, TEST = digits(17), digits(5)


def network() -> nn.Module:
    """Small, but with everything that holds state or draws: batch normalisation and dropout."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(8 * 64, 10))


def trainer(params: Params, checkpoints: CheckpointStore, train: DeviceSplit = TRAIN, prefix: str = "test") -> Trainer:
    torch.manual_seed(seed_of(params.seed))
    classifier = Classifier(network(), [0.3] * 3, [0.4] * 3)
    machine = prepare_machine(params.runtime)
    return Trainer(params, "small", classifier, TrainerImages(train, TEST, prefix, 10), machine, checkpoints)


def results(each: Trainer) -> tuple[bytes, list[dict[str, float]]]:
    """All weights as bytes, and the curves without their times."""
    weights = b"".join(value.numpy().tobytes() for value in each.classifier.network.state_dict().values())
    curves = [{name: value for name, value in row.items() if name not in NOT_RESULTS} for row in each.history]
    return weights, curves
