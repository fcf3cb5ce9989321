"""What the measurements run on: the paper's parameters, the machine, the images, and our trainer made of them."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.networks import make_network
from tinyres.common.dataset import Split
from tinyres.models import Classifier
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Params, load_yaml, validate_params, with_values
from tinyres.sources import cifar100
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.interruption import StopRequest
from tinyres.training.placement import place
from tinyres.training.trainer import Trainer, TrainerImages

ROOT = Path(__file__).resolve().parent.parent
MEAN, STD = [0.5071, 0.4866, 0.4409], [0.2673, 0.2564, 0.2762]  # of CIFAR-100's training images
NETWORKS = {"baseline": "standard ResNet-18", "modified": "modified ResNet-18", "cnn": "the report's CNN"}


@dataclass(frozen=True)
class Setting:
    """One run of the benchmarks."""

    machine: Machine
    images: Split
    """50,000 training images, 32×32."""
    origin: str
    """Where they come from."""

    @property
    def on_gpu(self) -> bool:
        return self.machine.device.type == "cuda"

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """64 is the paper's; a GPU needs more to be busy."""
        return (64, 512) if self.on_gpu else (64,)

    def part(self, network: str) -> Split:
        """As many images as make an epoch of a few seconds."""
        on_cpu = {"baseline": 1280, "modified": 192, "cnn": 6400}
        return first(self.images, 25_600 if self.on_gpu else on_cpu[network])


def make_setting() -> Setting:
    """The machine as training takes it, and CIFAR-100 where it is at hand."""
    images, origin = find_images()
    return Setting(prepare_machine(paper_params().runtime), images, origin)


def find_images() -> tuple[Split, str]:
    """From the archive that CIFAR100_ARCHIVE names, or what `dvc repro` fetched, or else noise of the same shape."""
    archive = Path(os.environ.get("CIFAR100_ARCHIVE") or "none")
    if archive.is_file():
        with tempfile.TemporaryDirectory() as folder:
            cifar100.extract_members(archive, Path(folder))
            return cifar100.read(Path(folder)).splits["train"], "CIFAR-100"
    if all((ROOT / "data/raw" / member).exists() for member in cifar100.MEMBERS_MD5):
        return cifar100.read(ROOT / "data/raw").splits["train"], "CIFAR-100"
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
    return Split(noise, generator.integers(0, 100, 50_000)), "random images of CIFAR-100's shape"


def first(split: Split, count: int) -> Split:
    """The first images."""
    return Split(split.images[:count], split.labels[:count])


def paper_params(**changes: Any) -> Params:
    """The paper's study with other values, by dotted name: `**{"optimizer.name": "sgd"}`."""
    return validate_params(with_values(load_yaml(ROOT / "params.yaml"), changes))


def make_trainer(
    network: str, split: Split, batch_size: int, machine: Machine, where: str = "device", **changes: Any
) -> Trainer:
    """Our trainer with the paper's recipe, showing nothing; no checkpoint is written unless `fit` is called."""
    params = paper_params(**{"batch_size": batch_size, "epochs": 1000} | changes)  # epochs: more than are measured
    torch.manual_seed(0)
    classifier = machine.prepare(Classifier(make_network(network, params.models.get(network)), MEAN, STD))
    images = place(with_classes(split, network), where, machine.device)
    followed = TrainerImages(images, images, "test", classes_of(network))
    trainer = Trainer(params, network, classifier, followed, machine, CheckpointStore("benchmarks"))
    trainer.progress.silence()
    return trainer


def with_classes(split: Split, network: str) -> Split:
    """The labels that a network tells apart."""
    return Split(split.images, split.labels % classes_of(network))


def classes_of(network: str) -> int:
    """The report's network tells five classes apart, the others a hundred."""
    return 5 if network == "cnn" else 100


def epoch_seconds(trainer: Trainer) -> float:
    """Train one epoch: its plan, batches, augmentation and steps, until the device is done; the time it took."""
    return trainer.train_epoch(StopRequest())["seconds"]
