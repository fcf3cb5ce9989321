"""One MLflow experiment, and what is written to it and found in it."""

import logging
import os
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
from filelock import FileLock
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from tinyres.errors import UserError
from tinyres.history import Record
from tinyres.models import read_model_description
from tinyres.params import flat
from tinyres.project import project_root

MODEL, TRAINING, WEIGHTS = "tinyres.model", "tinyres.training", "tinyres.weights"
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

    def log_texts(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Store texts among the run's artifacts, by their place there; those that are there are replaced."""
        for place, text in texts.items():
            self.client.log_text(run_id, text, place)

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
                code_paths=[str(Path(__file__).parents[1])],
                signature=ModelSignature(Schema([images]), Schema([probabilities])),
                metadata={"classes": description.classes},
                pip_requirements=[f"{name}=={version(name)}" for name in SERVING_NEEDS],
            )

    def finish(self, run_id: str) -> None:
        """Close the run."""
        self.client.set_terminated(run_id)


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
