"""MLflow: one run per trained model, found again by content.

A run carries three names: `tinyres.training`, the hash of what went into the training (a resumed training finds its run
by it), `tinyres.weights`, the hash of what came out (`evaluate` finds the run by it, also after DVC restored the model
from its cache), and `tinyres.model`, the model's name in the study.
"""

import json
import logging
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no calls home; also costs time where there is no network
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default a dead server blocks one call for minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds

import mlflow
import numpy as np
import torch
import torchvision
from filelock import FileLock
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from tinyres.errors import UserError
from tinyres.fingerprint import hash_value
from tinyres.history import Record, read_history
from tinyres.models import read_model_description, weights_hash
from tinyres.params import Reference, flat
from tinyres.project import project_root

MODEL, TRAINING, WEIGHTS = "tinyres.model", "tinyres.training", "tinyres.weights"
EVALUATION = "tinyres.evaluation"  # when and with which other models it was last compared; the table's runs share it
SERVING_NEEDS = ("mlflow", "numpy", "pydantic", "pyyaml", "safetensors", "torch", "torchvision")  # by `tinyres.serving`
FINAL = "final/"  # prefix of metrics that `evaluate` adds, apart from the curves of the same names


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the SQLite file at the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


@contextmanager
def never_in_the_way(what: str) -> Iterator[None]:
    """Run the body; if tracking fails, say so in one sentence and go on: no trained model is lost to it."""
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0][:300]
        print(f"warning: MLflow at {tracking_uri()} did not take {what} ({reason}); "
              "the files are complete, and `dvc repro -f evaluate` records them later.", file=sys.stderr)  # fmt: skip


@dataclass(frozen=True)
class Store:
    """One MLflow experiment."""

    client: MlflowClient
    experiment_id: str

    @classmethod
    def open(cls, experiment: str, create: bool = True) -> "Store":
        """Connect, and create the experiment if there is none.

        A fresh SQLite store is set up under a file lock, since its migrations fail when two processes begin at once,
        and with an absolute place for artifacts, since by default that would be the temporary folder of whichever
        experiment came first.

        Raises:
            UserError: the experiment was deleted in the UI, or does not exist and shall not be created.
            MlflowException: the store cannot be reached.
        """
        uri, root = tracking_uri(), project_root()
        mlflow.set_tracking_uri(uri)
        if not create and uri == f"sqlite:///{root / 'mlflow.db'}" and not (root / "mlflow.db").exists():
            raise UserError(f"There is no MLflow store at {root / 'mlflow.db'} yet; run `dvc repro` first.")
        with FileLock(root / "mlflow.lock"):
            client = MlflowClient(uri)
            found = client.get_experiment_by_name(experiment)
            if found is None and create:
                local = uri.startswith("sqlite")
                place = (root / "mlartifacts" / experiment).as_uri() if local else None
                return cls(client, client.create_experiment(experiment, artifact_location=place))
        if found is None:
            names = ", ".join(sorted(each.name for each in client.search_experiments())) or "none"
            raise UserError(f"MLflow has no experiment {experiment!r}; it has: {names}. Choose with --experiment.")
        if found.lifecycle_stage != "active":
            raise UserError(
                f"The MLflow experiment {experiment!r} was deleted; restore it in the UI, "
                "or choose another name with -S tracking.experiment=…"
            )
        return cls(client, found.experiment_id)

    def runs_with(self, tags: Mapping[str, str], status: str | None = None) -> list[Run]:
        """Runs that carry all of the tags, newest first."""
        terms = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
        if status is not None:
            terms.append(f"attributes.status = '{status}'")
        return list(
            self.client.search_runs([self.experiment_id], " and ".join(terms), order_by=["attributes.start_time DESC"])
        )

    def start_training_run(self, name: str, key: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """The id of this training's unfinished run, or of a new one with its parameters."""
        unfinished = self.runs_with({TRAINING: key}, status="RUNNING")
        if unfinished:
            return str(unfinished[0].info.run_id)
        experiment = os.environ.get("DVC_EXP_NAME")
        run_name = f"{experiment}/{name}" if experiment else name
        all_tags = {MODEL: name, TRAINING: key, **tags}
        run = self.client.create_run(self.experiment_id, run_name=run_name, tags=all_tags)
        listed = [Param(key, str(value)) for key, value in flat(dict(params)).items()]
        for start in range(0, len(listed), 100):  # MLflow's limit per call
            self.client.log_batch(run.info.run_id, params=listed[start : start + 100])
        return str(run.info.run_id)

    def log_history(self, run_id: str, records: Sequence[Record]) -> None:
        """Log epochs as metrics with step = epoch; what is there already, with the same time, is not added twice."""
        metrics = [
            Metric(name, value, int(record.get("timestamp", time.time()) * 1000), int(record["epoch"]))
            for record in records
            for name, value in record.items()
            if name not in ("epoch", "timestamp")
        ]
        for start in range(0, len(metrics), 1000):  # MLflow's limit per call
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    def log_final(self, run_id: str, figures: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log single figures under `final/`, and tags."""
        now = int(time.time() * 1000)
        metrics = [Metric(FINAL + name, value, now, 0) for name, value in figures.items()]
        self.client.log_batch(run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_files(self, run_id: str, files: Sequence[Path], folder: str) -> None:
        """Copy files into the run's artifacts."""
        for file in files:
            self.client.log_artifact(run_id, str(file), folder)

    def log_model(self, run_id: str, folder: Path) -> None:
        """Store a model folder as an MLflow model: uint8 images N×H×W×3 in, class probabilities N×K out.

        The folder's own two files are what is stored and what `tinyres.serving` loads: one copy of the weights, nothing
        to unpickle, and `tinyres predict` finds all that it needs. The package's code travels along, for those who have
        not installed it.
        """
        description = read_model_description(folder)
        images = TensorSpec(np.dtype(np.uint8), (-1, *description.image_size, 3))
        probabilities = TensorSpec(np.dtype(np.float32), (-1, len(description.classes)))
        with mlflow.start_run(run_id=run_id), _quiet():
            mlflow.pyfunc.log_model(
                name="model",
                loader_module="tinyres.serving",  # not imported here: changing it retrains nothing
                data_path=str(folder),
                code_paths=[str(Path(__file__).parent)],
                signature=ModelSignature(Schema([images]), Schema([probabilities])),
                metadata={"classes": description.classes},
                pip_requirements=[f"{name}=={version(name)}" for name in SERVING_NEEDS],
            )

    def finish(self, run_id: str) -> None:
        """Close the run."""
        self.client.set_terminated(run_id)


class Recorder:
    """The MLflow run of one training. It never stands in the training's way: when the store cannot be reached, that is
    said once, and everything is tried again at the end.

    Args:
        experiment: name of the MLflow experiment.
        name: the model's name.
        key: hash of what goes into the training; an unfinished run of the same key is continued.
        params: every parameter that the training read, as nested plain values.
        tags: further tags of the run.

    Raises:
        UserError: the experiment was deleted in the UI.
    """

    def __init__(
        self, experiment: str, name: str, key: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        self.experiment, self.name, self.key, self.params, self.tags = experiment, name, key, params, tags
        self.run: tuple[Store, str] | None = None
        self.reachable = True
        self._try("the start of the run", lambda store, run_id: None)

    def history(self, records: Sequence[Record]) -> None:
        """Log the newest epochs; all of them where nothing was logged yet."""
        if self.reachable:
            self._try("an epoch's metrics", lambda store, run_id: store.log_history(run_id, records))

    def finish(self, records: Sequence[Record], folder: Path) -> None:
        """Complete the run: all curves, the weights' hash, the model folder itself."""

        def complete(store: Store, run_id: str) -> None:
            store.log_history(run_id, records)
            store.log_final(run_id, {}, {WEIGHTS: weights_hash(folder)})
            store.log_model(run_id, folder)
            store.finish(run_id)

        self._try("the finished run", complete)

    def _try(self, what: str, action: Callable[[Store, str], None]) -> None:
        self.reachable = False
        with never_in_the_way(what):
            if self.run is None:
                store = Store.open(self.experiment)
                self.run = (store, store.start_training_run(self.name, self.key, self.params, self.tags))
            action(*self.run)
            self.reachable = True


def record_results(
    experiment: str,
    figures: Mapping[str, Mapping[str, float]],
    files: Sequence[Path],
    folder: str,
    tags: Mapping[str, str],
) -> None:
    """Add figures, files and tags to the run that trained each model (`models/<name>`).

    A model that DVC restored from its cache or a remote may have no run here; then one is made from its stored history.

    Args:
        experiment: name of the MLflow experiment.
        figures: single numbers by model.
        files: logged to every model's run.
        folder: where among the run's artifacts.
        tags: set on every model's run.
    """
    with never_in_the_way(f"the results of {folder}"):
        store = Store.open(experiment)
        for name, values in figures.items():
            run_id = _run_of(store, name)
            store.log_final(run_id, values, tags)
            store.log_files(run_id, files, folder)


def _run_of(store: Store, name: str) -> str:
    """The run that trained the weights in `models/<name>`, or one made anew from the stored history."""
    folder = Path("models") / name
    weights = weights_hash(folder)
    if known := store.runs_with({WEIGHTS: weights}):
        return str(known[0].info.run_id)
    description = read_model_description(folder)
    key = hash_value({"restored": weights})
    tags = lineage_tags(f"train-{name}", description.training["data"]) | {"tinyres.restored": "true"}
    run_id = store.start_training_run(name, key, description.training["params"], tags)
    store.log_history(run_id, read_history(Path("plots/history") / f"{name}.csv"))
    store.log_model(run_id, folder)
    store.log_final(run_id, {}, {WEIGHTS: weights})
    store.finish(run_id)
    return run_id


@dataclass(frozen=True)
class Comparison:
    """Models that were last compared with each other, as MLflow knows them, with every repetition of theirs."""

    runs: dict[str, list[Run]]
    """By model, in the order in which they were compared: runs that differ in nothing but the seed, by seed."""
    left_out: list[tuple[Run, list[str]]]
    """Evaluated runs of these models with other parameters, and which ones."""
    reference: Reference | None

    @property
    def figures(self) -> dict[str, dict[int, dict[str, float]]]:
        """The final figures of every run by model and seed."""
        return {
            name: {int(run.data.params["seed"]): final_figures(run) for run in runs} for name, runs in self.runs.items()
        }


def final_figures(run: Run) -> dict[str, float]:
    """What `evaluate` added to a run."""
    return {key.removeprefix(FINAL): value for key, value in run.data.metrics.items() if key.startswith(FINAL)}


def latest_comparison(experiment: str) -> Comparison:
    """The last evaluation that an experiment holds and its repetitions with other seeds, from the store alone.

    Of runs with the same seed and parameters the newest counts.

    Raises:
        UserError: the store or the experiment does not exist, or nothing was evaluated yet.
    """
    store = Store.open(experiment, create=False)
    evaluated = [run for run in store.runs_with({}) if EVALUATION in run.data.tags]
    if not evaluated:
        raise UserError(f"The MLflow experiment {experiment!r} holds no evaluated model; run `dvc repro` first.")
    latest = max(run.data.tags[EVALUATION] for run in evaluated)
    told = json.loads(latest)
    runs: dict[str, list[Run]] = {}
    left_out = []
    for name in told["models"]:
        of_model = [run for run in evaluated if run.data.tags[MODEL] == name]
        newest = next(run for run in of_model if run.data.tags[EVALUATION] == latest)
        by_seed = {newest.data.params["seed"]: newest}
        for run in of_model:  # newest first
            if differences := differing_params(newest, run):
                left_out.append((run, differences))
            else:
                by_seed.setdefault(run.data.params["seed"], run)
        runs[name] = [by_seed[seed] for seed in sorted(by_seed, key=int)]
    return Comparison(runs, left_out, Reference.model_validate(told["reference"]) if told["reference"] else None)


def differing_params(one: Run, other: Run) -> list[str]:
    """Names of the parameters, but for the seed, in which two runs differ."""
    names = (one.data.params.keys() | other.data.params.keys()) - {"seed"}
    return sorted(name for name in names if one.data.params.get(name) != other.data.params.get(name))


def evaluation_tag(models: Sequence[str], reference: Reference | None) -> dict[str, str]:
    """The tag that runs compared with each other share; the later evaluation sorts after the earlier one."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    told = reference.model_dump() if reference else None
    return {EVALUATION: json.dumps({"at": now, "models": list(models), "reference": told})}


def lineage_tags(stage: str, data_hash: str) -> dict[str, str]:
    """Where a run comes from: stage, DVC experiment, commit, data and environment."""
    tags = {
        "tinyres.stage": stage,
        "tinyres.data": data_hash,
        "tinyres.environment": (
            f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
            + (torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores")
        ),
    }
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags["git.commit"] = commit
        tags["git.clean"] = str(not _git("status", "--porcelain")).lower()
    return tags


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's advice on model formats out of the log; its warnings of real trouble stay."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
