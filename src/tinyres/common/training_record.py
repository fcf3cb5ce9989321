"""The interface between a training and whatever keeps its record."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinyres.common.curves import EpochRecord
from tinyres.common.dataset import Description


@dataclass(frozen=True)
class Training:
    """What is known about a training before its first step."""

    name: str
    """The model's name."""
    key: str
    """See `training_key`."""
    params: dict[str, Any]
    """Every parameter that influences it, as nested plain values."""
    data: Description
    """The images it learns from."""
    data_hash: str
    environment: str
    """Versions and processor; see `Machine.environment`."""


class TrainingRecord(Protocol):
    """The record of one training, while it trains."""

    def epochs(self, curves: Sequence[EpochRecord]) -> None:
        """Record the curves so far; they may include epochs that were recorded before."""

    def finish(self, curves: Sequence[EpochRecord], folder: Path) -> None:
        """Complete the record with all curves and the model folder."""


class Recorder(Protocol):
    """Keeps records of trainings. This changes nothing in a model, so no training depends on the recorder's code."""

    def record(self, training: Training) -> AbstractContextManager[TrainingRecord]:
        """The record of a training, open while the body runs. A training that resumes continues its record."""
