"""Which version of a model is the champion: `tinyres promote`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from tinyres.common.errors import UserError
from tinyres.evaluation.predictions import Predictions, read_predictions
from tinyres.evaluation.registry import CHAMPION, TEST_IMAGES, champion, registry_lock, version_of
from tinyres.evaluation.uncertainty import compare
from tinyres.tracking.store import MODEL, Store, existing_uri, tracking_uri


@dataclass(frozen=True)
class Verdict:
    """Whether the alias moved, and why."""

    moved: bool
    sentence: str


def promote(run_id: str) -> Verdict:
    """Make the version of a run's model the champion of its name, if it is the more accurate one beyond chance.

    Beyond chance: the paired 95 % interval of the difference on the same test images lies above 0. Where a name has no
    champion, the version becomes it at once.

    Raises:
        UserError: the run, its version or its answers are not there, the two were tested on different images, or the
            store cannot be reached.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    store, run = _find(run_id)
    missing = f"Run {run_id} has no version in the registry; `dvc repro -f evaluate` gives it one."
    with _told(missing), registry_lock():
        version = version_of(store, run)
        if version is None:
            raise UserError(missing)
        moved, why = _judge(store, version, run)
        if moved:
            store.client.set_registered_model_alias(version.name, CHAMPION, version.version)
    return Verdict(moved, f"{version.name}: version {version.version} {why}")


def _judge(store: Store, version: ModelVersion, run: Run) -> tuple[bool, str]:
    """Whether a version becomes the champion, and the second half of the sentence that says why."""
    holder = champion(store, version.name)
    if holder is None:
        return True, "is the champion; there was none."
    if holder.version == version.version:
        return False, "is the champion already."
    with _told(f"The run of version {holder.version}, the champion, is not there; move the alias in the UI instead."):
        first, second = store.client.get_run(str(holder.run_id)), run
    ones, others = _predictions(store, first), _predictions(store, second)
    same = first.data.tags.get(TEST_IMAGES) == second.data.tags.get(TEST_IMAGES)
    if not same or not np.array_equal(ones.labels, others.labels):
        raise UserError(
            f"Run {second.info.run_id} and run {first.info.run_id}, the champion's, were tested on different images, "
            "which no paired interval can compare; evaluate both on the same ones."
        )
    difference = compare(ones.correct, others.correct)
    low, high = difference.test_accuracy_low, difference.test_accuracy_high
    told = (
        f"{100 * difference.test_accuracy:+.2f} points on the same {len(ones.labels)} test images, "
        f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}."
    )
    if low > 0:
        return True, f"takes the place of version {holder.version} as champion: {told}"
    reason = "it is the less accurate one" if high < 0 else "the interval contains 0"
    return False, f"does not take the place of version {holder.version} as champion, since {reason}: {told}"


def _find(run_id: str) -> tuple[Store, Run]:
    """A run that trained a model, and the store of its experiment."""
    uri = existing_uri()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    missing = f"MLflow at {uri} has no training run {run_id!r}; `tinyres table --runs` lists some."
    with _told(missing):
        run = client.get_run(run_id)
    if MODEL not in run.data.tags:
        raise UserError(missing)
    return Store(client, run.info.experiment_id), run


def _predictions(store: Store, run: Run) -> Predictions:
    """What a run's model answered on each test image."""
    file = f"evaluate/predictions_{run.data.tags[MODEL]}.csv"
    with (
        TemporaryDirectory() as place,
        _told(f"Run {run.info.run_id} holds no {file}; `dvc repro -f evaluate` with its model adds it."),
    ):
        return read_predictions(store.client.download_artifacts(run.info.run_id, file, place))


@contextmanager
def _told(missing: str) -> Iterator[None]:
    """Run the body; say `missing` where MLflow has no such thing, and what it says itself where it fails otherwise."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        if getattr(error, "error_code", None) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise UserError(missing) from None
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise UserError(
            f"MLflow at {tracking_uri()} did not answer ({reason}); see that it runs and MLFLOW_TRACKING_URI names it."
        ) from None
