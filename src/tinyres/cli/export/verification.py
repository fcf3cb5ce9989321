"""Whether an exported network answers as the one that it was made from, and how fast each is."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from tinyres.cli.export.latency import interleaved, speedup
from tinyres.cli.export.onnx_file import INPUT
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.common.pixels import channels_first
from tinyres.evaluation.tables import Table
from tinyres.evaluation.uncertainty import Difference, compare
from tinyres.models import Classifier
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine

TOLERANCE = 1e-5  # of probabilities in float32: rounding, with room for another order of the sums
BATCH_SIZE = 250  # images per pass, as `tinyres predict` takes them
TIMED_BATCHES = (1, 64)  # images

Probabilities = NDArray[np.float32]
Network = Callable[[NDArray[np.uint8]], Probabilities]
"""Probabilities N×K of images N×H×W×3."""


@dataclass(frozen=True)
class Agreement:
    """How an exported network's answers for the test images relate to those of the network that it was made from."""

    largest_difference: float
    """Of any probability."""
    equal_answers: float
    """The share of images with the same most probable class."""
    test_accuracy: float
    """A fraction."""
    difference: Difference
    """Its accuracy minus that of the original."""


@dataclass(frozen=True)
class Report:
    """What is known of an exported network, beside the network that it was made from."""

    original: str
    """What the original network is called in the table."""
    test_images: int
    test_accuracy: float
    """The original's, a fraction."""
    sizes: Mapping[str, int]
    """Bytes on disk, by network; the original's first."""
    agreements: Mapping[str, Agreement]
    """By exported network."""
    latencies: Mapping[tuple[int, int], Mapping[str, list[float]]]
    """By images per batch and number of threads: seconds by network, one for each round."""

    def table(self) -> Table:
        """Return a row per property and a column per network."""
        header = [f"{self.test_images} test images", *self.sizes]
        rows = [
            ["size (MB)", *(f"{size / 1e6:.2f}" for size in self.sizes.values())],
            self._row("largest difference of a probability", lambda each: f"{each.largest_difference:.1e}"),
            self._row("equal answers (%)", lambda each: f"{100 * each.equal_answers:.2f}"),
            self._row("test accuracy (%)", lambda each: f"{100 * each.test_accuracy:.2f}", 100 * self.test_accuracy),
            self._row("difference of test accuracy (points)", lambda each: _points(each.difference.test_accuracy)),
            self._row("… lower end of the 95 % interval", lambda each: _points(each.difference.test_accuracy_low)),
            self._row("… upper end of the 95 % interval", lambda each: _points(each.difference.test_accuracy_high)),
        ]
        for (images, threads), times in self.latencies.items():
            label = f"{_plural(images, 'image')}, {_plural(threads, 'thread')}"
            rows.append([f"latency, {label} (ms)", *(f"{1000 * median(each):.3g}" for each in times.values())])
            gains = [f"{self._speedup(times, name):.2f}" for name in self.agreements]
            rows.append([f"times as fast, {label}", "", *gains])
        return Table(header, rows)

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON holds it; accuracies are fractions, latencies medians in milliseconds."""
        networks: dict[str, Any] = {
            name: {"bytes": size, "milliseconds": self._milliseconds(name)} for name, size in self.sizes.items()
        }
        networks[self.original]["test_accuracy"] = self.test_accuracy
        for name, each in self.agreements.items():
            gains = {_batch(batch): self._speedup(times, name) for batch, times in self.latencies.items()}
            networks[name] |= asdict(each) | {"times_as_fast": gains}
        return {"test_images": self.test_images, "networks": networks, "environment": environment()}

    def metrics(self) -> dict[str, float]:
        """Return the figures that MLflow keeps, by name."""
        found: dict[str, float] = {}
        for name, each in self.agreements.items():
            few = {
                "bytes": float(self.sizes[name]),
                "largest_difference": each.largest_difference,
                "equal_answers": each.equal_answers,
                "test_accuracy": each.test_accuracy,
            }
            gains = {f"times_as_fast_{_batch(at)}": self._speedup(of, name) for at, of in self.latencies.items()}
            found |= {f"{name.replace(' ', '_')}/{key}": value for key, value in (few | gains).items()}
        return found

    def _row(self, label: str, cell: Callable[[Agreement], str], original: float | None = None) -> list[str]:
        first = "" if original is None else f"{original:.2f}"
        return [label, first, *(cell(each) for each in self.agreements.values())]

    def _milliseconds(self, name: str) -> dict[str, float]:
        return {_batch(batch): 1000 * median(times[name]) for batch, times in self.latencies.items()}

    def _speedup(self, times: Mapping[str, list[float]], name: str) -> float:
        return speedup(times[self.original], times[name])


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def _plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _batch(batch: tuple[int, int]) -> str:
    images, threads = batch
    return f"{_plural(images, 'image')}_{_plural(threads, 'thread')}".replace(" ", "_")


def environment() -> dict[str, str]:
    """Return what latencies depend on: versions and the processor's kind."""
    packages = ("onnx", "onnxruntime", "onnxscript", "torch", "torchvision")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def onnx_network(file: Path, threads: int = 0) -> Network:
    """Return an exported network as onnxruntime computes it on the CPU.

    Args:
        file: The ONNX file.
        threads: By default as many as the machine has cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def torch_network(classifier: Classifier, temperature: float) -> Network:
    """Return a trained network as torch computes it on the CPU, by its own convolutions and in float32."""
    machine = Machine(torch.device("cpu"), bfloat16=False, compiles=False)

    def probabilities(images: NDArray[np.uint8]) -> Probabilities:
        logits = logits_of(classifier, channels_first(images), BATCH_SIZE, machine)
        return (logits / temperature).softmax(dim=1).numpy()

    return probabilities


def in_batches(network: Network, images: NDArray[np.uint8]) -> Probabilities:
    """Return the probabilities of any number of images, with one batch of them in memory at a time."""
    starts = range(0, len(images), BATCH_SIZE)
    return np.concatenate([network(images[start : start + BATCH_SIZE]) for start in starts])


def agreement(exported: Probabilities, original: Probabilities, test: Split) -> Agreement:
    """Compare two networks' probabilities N×K for the test images."""
    ours, theirs = (each.argmax(axis=1) for each in (exported, original))
    correct = ours == test.labels
    return Agreement(
        largest_difference=float(np.abs(exported.astype(np.float64) - original).max()),
        equal_answers=float((ours == theirs).mean()),
        test_accuracy=float(correct.mean()),
        difference=compare(theirs == test.labels, correct),
    )


def refuse_other_answers(found: Agreement, name: str) -> None:
    """Refuse a network in float32 whose probabilities differ by more than `TOLERANCE`.

    Raises:
        UserError: they do, or are no numbers.
    """
    if not found.largest_difference <= TOLERANCE:  # false for NaN
        raise UserError(
            f"The exported network of {name} differs from torch's by {found.largest_difference:.1e} in a probability, "
            f"more than {TOLERANCE:.0e}, so no file was written; use the MLflow model, which needs no tinyres either."
        )


def refuse_loss(found: Agreement, name: str, allowed: float) -> None:
    """Refuse a network in 8 bits that loses more test accuracy than is allowed.

    Args:
        found: Its agreement with the original.
        name: The model's name, for the sentence.
        allowed: In percentage points.

    Raises:
        UserError: it does.
    """
    lost = -100 * found.difference.test_accuracy
    if not lost <= allowed:
        raise UserError(
            f"In 8 bits {name} loses {lost:.2f} points of test accuracy, more than {allowed:g}, so no file was "
            "written; raise --calibration-images or --max-loss, or leave out --int8."
        )


def latencies(
    original: Network, exported: Mapping[str, Path], name: str, images: NDArray[np.uint8]
) -> dict[tuple[int, int], dict[str, list[float]]]:
    """Measure networks in turn, for batches of 1 and 64 images, on one thread and on all of torch's.

    Args:
        original: The network that `tinyres predict` runs; torch's number of threads applies to it.
        exported: ONNX files by name.
        name: What the original is called in the result.
        images: As many as the largest batch has, or more.

    Returns:
        By images per batch and number of threads: seconds by network, one number for each round.
    """
    found = {}
    every = torch.get_num_threads()
    try:
        for threads in sorted({1, every}):
            torch.set_num_threads(threads)
            sessions = {key: onnx_network(file, threads) for key, file in exported.items()}
            for count in TIMED_BATCHES:
                batch = np.resize(images, (count, *images.shape[1:]))  # repeats them where they are fewer
                runs = {key: _call(network, batch) for key, network in ({name: original} | sessions).items()}
                found[count, threads] = interleaved(runs)
    finally:
        torch.set_num_threads(every)
    return dict(sorted(found.items()))


def _call(network: Network, batch: NDArray[np.uint8]) -> Callable[[], object]:
    return lambda: network(batch)
