"""What tracking costs a training: epochs on handwritten digits, as in the quickstart, while a recorder sends the curves
of the epochs before to a store of its own (SQLite), or tries to send them to a server that is not there, over the same
trainer's epochs without one."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.measure import Figure, interleave, median, ratios, spread
from benchmarks.setting import NETWORKS, Setting, paper_params
from tinyres.common.curves import EpochRecord
from tinyres.common.dataset import Description
from tinyres.common.training_record import Training
from tinyres.models import Classifier, build_network
from tinyres.models.machine import Machine
from tinyres.sources import digits
from tinyres.sources.source import Source
from tinyres.tracking.recorder import MLflowRecord
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.interruption import StopRequest
from tinyres.training.placement import DeviceSplit
from tinyres.training.trainer import Trainer, TrainerImages

TITLE = "Tracking"
REPETITIONS = 5
TURN_SECONDS = 6  # at least: several batches of curves
NO_SERVER = "http://127.0.0.1:1"  # a port that nothing listens on


def measure(setting: Setting) -> list[Figure]:
    """One ratio per network of the paper, and one without its server."""
    stored = [cost(setting, network, "digits", None, "< 1.02") for network in ("baseline", "modified")]
    return [*stored, cost(setting, "baseline", "digits, the server gone", NO_SERVER, "< 1.05")]


def cost(setting: Setting, network: str, words: str, uri: str | None, target: str) -> Figure:
    """The time of recorded epochs over that of others; `uri` is the tracking server's, None for a store on disk."""
    trainer = quickstart_trainer(network, setting.machine)
    records = [epoch(trainer)]  # a warm-up, and the first to be sent
    started = time.perf_counter()
    records.append(epoch(trainer))
    epochs = max(2, round(TURN_SECONDS / (time.perf_counter() - started)))
    with repository(uri):
        record = MLflowRecord("benchmarks", training(network), {})

        def recorded() -> float:
            started = time.perf_counter()
            for _ in range(epochs):
                record.epochs(records)
                records.append(epoch(trainer))
            return time.perf_counter() - started

        def alone() -> float:
            started = time.perf_counter()
            for _ in range(epochs):
                epoch(trainer)
            return time.perf_counter() - started

        seconds = interleave({"recorded": recorded, "alone": alone}, REPETITIONS)
        record.ended.set()
        record.thread.join()
    pairs = ratios(seconds["recorded"], seconds["alone"])
    each = {name: median(times) / epochs * 1000 for name, times in seconds.items()}
    detail = f"{each['recorded']:.0f} against {each['alone']:.0f} ms an epoch, {epochs} at a time; {spread(pairs)}"
    return Figure(f"{NETWORKS[network]}, {words}", median(pairs), "×", target, detail)


def epoch(trainer: Trainer) -> EpochRecord:
    """Train one epoch; its record, as wide as a real one's."""
    record = trainer.train_epoch(StopRequest())
    return record | {"test_loss": record["train_loss"], "test_accuracy": record["train_accuracy"], "lr": 0.001}


def quickstart_trainer(network: str, machine: Machine) -> Trainer:
    """The trainer that `make quickstart` has, showing nothing."""
    changes = {"epochs": 100_000, "augment.online.crop_padding": 1, "augment.online.flip": 0}
    params = paper_params(**changes)
    data, spec = read_digits(), params.models[network]
    torch.manual_seed(0)
    classifier = Classifier(build_network(spec, len(data.classes), (8, 8)), [0.5] * 3, [0.5] * 3)
    train = DeviceSplit.from_arrays(data.splits["train"], machine.device)
    classifier = machine.prepare(classifier)
    images = TrainerImages(train, train, "test", len(data.classes))
    trainer = Trainer(params, network, classifier, images, machine, CheckpointStore("benchmarks"))
    trainer.progress.silence()
    return trainer


def read_digits() -> Source:
    """scikit-learn's digits, as the pipeline reads them."""
    with tempfile.TemporaryDirectory() as place:
        digits.download(Path(place) / "raw")
        return digits.read(Path(place) / "raw")


@contextmanager
def repository(uri: str | None) -> Iterator[None]:
    """An empty one for the store, or another tracking URI, for as long as the body runs."""
    before = {name: os.environ.get(name) for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI")}
    with tempfile.TemporaryDirectory() as place:
        try:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            os.environ["DVC_ROOT"] = place
            if uri is not None:
                os.environ["MLFLOW_TRACKING_URI"] = uri
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def training(network: str) -> Training:
    """What a recorder is told of the quickstart's training."""
    digits = [str(digit) for digit in range(10)]
    data = Description("digits", digits, None, (8, 8), {}, None, [0.0] * 3, [1.0] * 3)
    return Training(network, "benchmarks", {}, data, "", "")
