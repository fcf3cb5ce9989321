"""One MLflow experiment, and what is written to it and found in it."""

import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import sqlalchemy
from filelock import FileLock
from mlflow.entities import LoggedModel, LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from tinyres.common.atomic import replacing
from tinyres.common.curves import EpochRecord
from tinyres.common.errors import UserError
from tinyres.common.model_folder import read_model_description
from tinyres.common.repository import project_root
from tinyres.params import flat

MODEL, TRAINING, WEIGHTS = "tinyres.model", "tinyres.training", "tinyres.weights"
SERVING_NEEDS = ("mlflow", "numpy", "pydantic", "pyyaml", "safetensors", "torch", "torchvision")
"""What `tinyres.cli.serving` imports."""
FINAL = "final/"  # prefix of metrics that `evaluate` adds, apart from the curves of the same names
DATABASES = ("sqlite:", "postgresql:", "postgresql+", "mysql:", "mysql+", "mssql:", "mssql+")
TROUBLES = (  # what errors of HTTP, SQL and MLflow say, what that means, and the remedy
    (r"unsupported URI|Invalid url|Could not parse|Failed to parse|[Ff]ilesystem tracking backend",
     "is no address of a store", "set MLFLOW_TRACKING_URI to http://…, postgresql://… or sqlite:////…"),
    (r"No module named", "needs a database driver that is not installed", "install it, or use a server (http://…)"),
    (r"error code 40[13]", "refused the credentials",
     "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
    (r"password authentication failed|no password supplied|Access denied for user", "refused the credentials",
     "correct the user and the password in MLFLOW_TRACKING_URI"),
    (r"out-of-date database schema|locate revision", "was made by another version of MLflow",
     "back it up and run `mlflow db upgrade {uri}`, or use the version that made it"),
    (r"unable to open database|readonly database|Read-only file system|Permission denied", "cannot be written",
     "allow writing there"),
    (r"Failed to resolve|could not translate host", "has an unknown host", "correct MLFLOW_TRACKING_URI"),
    (r"timed out|[Tt]imeout", "did not answer in time", "see that it runs"),
    (r"[Cc]onnection|[Cc]onnect to|RemoteDisconnected|error code 50[234]", "cannot be reached", "see that it runs"),
)  # fmt: skip


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the repository's own store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or own_uri()


def existing_uri() -> str:
    """The URI of a store to read; of an SQLite file that is not there, MLflow's client would make an empty one.

    Raises:
        UserError: there is no such file.
    """
    uri = tracking_uri()
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise UserError(f"There is no MLflow store at {uri}; run `dvc repro` first, or set MLFLOW_TRACKING_URI.")
    return uri


def own_uri() -> str:
    """The SQLite file at the repository's root."""
    return f"sqlite:///{project_root() / 'mlflow.db'}"


def shown_uri() -> str:
    """The tracking URI without a password, for messages."""
    return re.sub(r"(?<=://)([^/@:]+):.*@", r"\1:***@", tracking_uri())


class UnavailableError(UserError):
    """The store cannot be used, whatever is asked of it."""


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
            UnavailableError: the store cannot be reached, or used by this version of MLflow.
        """
        try:
            return cls._connected(experiment, create)
        except UserError:
            raise
        except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
            raise UnavailableError(f"{trouble(error)}.") from None

    @classmethod
    def _connected(cls, experiment: str, create: bool) -> "Store":
        uri, root = tracking_uri() if create else existing_uri(), project_root()
        mlflow.set_tracking_uri(uri)
        with FileLock(root / "mlflow.lock"):
            _try_database(uri)
            client = MlflowClient(uri)
            found = client.get_experiment_by_name(experiment)
            if found is None and create:
                local = uri.startswith(DATABASES)
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

    def start_training_run(
        self,
        name: str,
        key: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        run_name: str | None = None,
        started: int | None = None,
    ) -> str:
        """The id of this training's unfinished run, or of a new one with its parameters.

        Args:
            name: the model's name.
            key: hash of what goes into the training.
            params: as nested plain values.
            tags: further tags of the run.
            run_name: by default the model's name.
            started: milliseconds since 1970; by default now.
        """
        unfinished = self.runs_with({TRAINING: key}, status="RUNNING")
        if unfinished:
            return str(unfinished[0].info.run_id)
        all_tags = {MODEL: name, TRAINING: key, **tags}
        run = self.client.create_run(self.experiment_id, started, all_tags, run_name or name)
        listed = [Param(key, str(value)) for key, value in flat(dict(params)).items()]
        for start in range(0, len(listed), 100):  # MLflow's limit per call
            self.client.log_batch(run.info.run_id, params=listed[start : start + 100])
        return str(run.info.run_id)

    def log_history(self, run_id: str, records: Sequence[EpochRecord]) -> None:
        """Log epochs as metrics with step = epoch; what is there already, with the same time, is not added twice."""
        at = now()
        metrics = [
            Metric(name, value, int(record["timestamp"] * 1000) if "timestamp" in record else at, int(record["epoch"]))
            for record in records
            for name, value in record.items()
            if name not in ("epoch", "timestamp")
        ]
        for start in range(0, len(metrics), 1000):  # MLflow's limit per call
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    def log_final(
        self, run_id: str, figures: Mapping[str, float], tags: Mapping[str, str], at: int | None = None
    ) -> None:
        """Log single figures under `final/`, and tags; the same again `at` the same millisecond adds nothing."""
        at = now() if at is None else at
        metrics = [Metric(FINAL + name, value, at, 0) for name, value in figures.items()]
        self.client.log_batch(run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_files(self, run_id: str, files: Sequence[Path], folder: str) -> None:
        """Copy files into the run's artifacts."""
        for file in files:
            self.client.log_artifact(run_id, str(file), folder)

    def log_texts(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Store texts among the run's artifacts, by their place there; those that are there are replaced."""
        for place, text in texts.items():
            self.client.log_text(run_id, text, place)

    def log_model(self, run_id: str, folder: Path) -> None:
        """Store a model folder as an MLflow model: uint8 images N×H×W×3 in, class probabilities N×K out. A run that
        has its model already keeps it.

        The folder's own two files are what is stored and what `tinyres.cli.serving` loads: one copy of the weights,
        nothing to unpickle, and `tinyres predict` finds all that it needs. The package's code travels along, for those
        who have not installed it.
        """
        if self.models_of(run_id):
            return
        description = read_model_description(folder)
        images = TensorSpec(np.dtype(np.uint8), (-1, *description.image_size, 3))
        probabilities = TensorSpec(np.dtype(np.float32), (-1, len(description.classes)))
        # Both by id: `mlflow.start_run` would end the run, and end it as failed where the server goes away meanwhile.
        params = self.client.get_run(run_id).data.params
        logged = self.client.create_logged_model(self.experiment_id, "model", run_id, params=params)
        with _quiet():
            Model.log(
                artifact_path=None,
                flavor=mlflow.pyfunc,
                run_id=run_id,
                model_id=logged.model_id,
                loader_module="tinyres.cli.serving",  # not imported here: changing it retrains nothing
                data_path=str(folder),
                code_paths=[str(Path(__file__).parents[1])],
                signature=ModelSignature(Schema([images]), Schema([probabilities])),
                metadata={"classes": description.classes},
                pip_requirements=[f"{name}=={version(name)}" for name in SERVING_NEEDS],
            )

    def models_of(self, run_id: str) -> list[LoggedModel]:
        """The models that a run stored whole and that nobody deleted."""
        found = self.client.search_logged_models([self.experiment_id], f"source_run_id = '{run_id}'")
        return [model for model in found if model.status == LoggedModelStatus.READY]

    def finish(self, run_id: str, at: int | None = None) -> None:
        """Close the run, now or at the millisecond given."""
        self.client.set_terminated(run_id, end_time=at)


def now() -> int:
    """Milliseconds since 1970, MLflow's unit of time."""
    return int(time.time() * 1000)


def _try_database(uri: str) -> None:
    """Connect once to a database that the URI names: MLflow itself tries it 15 times, for nearly two hours."""
    if not uri.startswith(DATABASES):
        return
    if uri.startswith("sqlite:///"):
        _make_sqlite(Path(uri.removeprefix("sqlite:///")))
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _make_sqlite(file: Path) -> None:
    """A fresh store where there is none, whole or not at all: one left amid MLflow's migrations is of no use later."""
    if not file.exists():
        with replacing(file) as draft:
            MlflowClient(f"sqlite:///{draft}").search_experiments(max_results=1)


def trouble(error: Exception) -> str:
    """Why MLflow could not be used and what to do about it: a sentence without its full stop."""
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    text = str(error)
    for pattern, reason, remedy in TROUBLES:
        if re.search(pattern, text):
            return f"MLflow at {shown_uri()} {reason}; {remedy.format(uri=shown_uri())}"
    first = (text.splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return f"MLflow at {shown_uri()} failed ({first}); see what its log says"


@contextmanager
def never_in_the_way(what: str) -> Iterator[None]:
    """Run the body; if tracking fails, say so in one sentence and go on: no trained model is lost to it."""
    try:
        yield
    except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
        print(f"warning: MLflow did not take {what}: {trouble(error)}, then `dvc repro -f evaluate` adds them.",
              file=sys.stderr)  # fmt: skip


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
