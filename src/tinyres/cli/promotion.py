"""Which version of a model is the champion: `tinyres promote`."""

import os
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from tinyres.common.errors import UserError
from tinyres.evaluation.predictions import Predictions, read_predictions
from tinyres.evaluation.registry import champion, champion_on_same_images, make_champion, version_of
from tinyres.evaluation.uncertainty import compare
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import failures_explained
from tinyres.tracking.store import MODEL, Store, connect, store_lock


@dataclass(frozen=True)
class Verdict:
    """Whether an alias moved, and why."""

    moved: bool
    sentence: str


def promote(run_id: str, force: bool = False) -> Verdict:
    """Make the version of a run's model the champion, if it is the more accurate one beyond chance.

    Beyond chance: the paired 95 % interval of the difference from the champion on the same test images lies above 0.
    Where these images have no champion, the version becomes it at once; of its name too, if that has none or one that
    was tested on fewer images.

    Args:
        run_id: the run that trained it.
        force: make it the champion of its name without a comparison.

    Raises:
        UserError: the run, its version or its answers are not there, or the store cannot be reached.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    store, run = _find(run_id)
    missing = f"Run {run_id} has no version in the registry; `dvc repro -f evaluate` gives it one."
    with failures_explained(missing), store_lock():
        version = version_of(store, run)
        if version is None:
            raise UserError(missing)
        moved, why = _forced(store, version) if force else _judge(store, version, run)
    return Verdict(moved, f"{version.name}: version {version.version} {why}")


def _forced(store: Store, version: ModelVersion) -> tuple[bool, str]:
    """Make a version the champion in any case; whether that changed anything, and the second half of the sentence."""
    before = champion(store, version.name)
    make_champion(store, version, whatever_the_images=True)
    if before is None:
        return True, "is the champion; there was none."
    if before.version == version.version:
        return False, "is the champion already."
    return True, f"takes the place of version {before.version} as champion, without a comparison."


def _judge(store: Store, version: ModelVersion, run: Run) -> tuple[bool, str]:
    """Whether a version becomes the champion, and the second half of the sentence that says why."""
    holder = champion_on_same_images(store, version)
    if holder is None:
        return _first_on_its_images(store, version)
    of_name = champion(store, version.name)
    if holder.version == version.version:
        if of_name is None:
            return _first_on_its_images(store, version)
        if of_name.version == version.version:
            return False, "is the champion already."
        return False, f"is the champion already on its test images; {_tested_on_others(of_name)}"
    with failures_explained(
        f"The run of version {holder.version}, the champion, is not there; `tinyres promote --force` takes its place."
    ):
        first, second = store.client.get_run(str(holder.run_id)), run
    ones, others = _predictions(store, first), _predictions(store, second)
    if not np.array_equal(ones.labels, others.labels):
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
        make_champion(store, version)
        return True, f"takes the place of version {holder.version} as champion: {told}"
    reason = "it is the less accurate one" if high < 0 else "the interval contains 0"
    return False, f"does not take the place of version {holder.version} as champion, since {reason}: {told}"


def _first_on_its_images(store: Store, version: ModelVersion) -> tuple[bool, str]:
    """Make a version the champion on test images that have none."""
    before = champion(store, version.name)
    of_name = make_champion(store, version)
    if before is None:
        return True, "is the champion; there was none."
    if of_name:
        return True, f"is the champion: it was tested on more images than version {before.version}."
    return True, f"is the champion on its test images; {_tested_on_others(before)}"


def _tested_on_others(holder: ModelVersion) -> str:
    return (
        f"that of the name is version {holder.version}, which was tested on others and cannot be compared with it "
        "(`tinyres promote --force` takes its place)."
    )


def _find(run_id: str) -> tuple[Store, Run]:
    """A run that trained a model, and the store of its experiment."""
    missing = f"MLflow at {shown_uri()} has no training run {run_id!r}; `tinyres table --runs` lists some."
    with failures_explained(missing):
        client = connect(create=False)
        run = client.get_run(run_id)
    if MODEL not in run.data.tags:
        raise UserError(missing)
    return Store(client, run.info.experiment_id), run


def _predictions(store: Store, run: Run) -> Predictions:
    """What a run's model answered on each test image."""
    file = f"evaluate/predictions_{run.data.tags[MODEL]}.csv"
    with (
        TemporaryDirectory() as place,
        failures_explained(f"Run {run.info.run_id} holds no {file}; `dvc repro -f evaluate` with its model adds it."),
    ):
        return read_predictions(store.client.download_artifacts(run.info.run_id, file, place))
