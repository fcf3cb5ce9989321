"""One MLflow experiment, and what is written to it and found in it."""

import logging
import math
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
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from PIL import Image

from tinyres.common.atomic import replacing
from tinyres.common.curves import EpochRecord
from tinyres.common.errors import UserError
from tinyres.common.model_folder import read_model_description
from tinyres.common.repository import project_root
from tinyres.params import flat
from tinyres.tracking.address import existing_uri, is_database, sqlite_file, sqlite_uri, tracking_uri
from tinyres.tracking.failures import UnavailableError, explain
from tinyres.tracking.inputs import Images

MODEL, TRAINING, WEIGHTS = "tinyres.model", "tinyres.training", "tinyres.weights"
SERVING_NEEDS = ("mlflow", "numpy", "pydantic", "ruamel.yaml", "safetensors", "torch", "torchvision")
"""What `tinyres.cli.serving` imports."""
ARTIFACTS = "mlartifacts"  # the folder of artifacts at the repository's root, where no server keeps them
ARTIFACT_ADDRESSES = (  # tables and columns of MLflow's database
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
DESCRIPTION = MLFLOW_RUN_NOTE
KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow 3.17's UI asks its user instead
RESULTS = "tinyres.results"  # tag of an experiment: how many results it has taken
PICTURE_STEP = 0
FINAL = "final/"  # prefix of metrics that `evaluate` adds, apart from the curves of the same names


@dataclass(frozen=True)
class Store:
    """One MLflow experiment."""

    client: MlflowClient
    experiment_id: str

    @classmethod
    def open(cls, experiment: str, create: bool = True) -> "Store":
        """Connect, and create the experiment if there is none.

        Its artifacts have an absolute place: by default that would be the temporary folder of whichever DVC experiment
        came first.

        Raises:
            UserError: the experiment was deleted in the UI, or does not exist and shall not be created.
            UnavailableError: the store cannot be reached, or used by this version of MLflow.
        """
        try:
            return cls._opened(experiment, create)
        except UserError:
            raise
        except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
            raise UnavailableError(f"{explain(error)}.") from None

    @classmethod
    def _opened(cls, experiment: str, create: bool) -> "Store":
        client = connect(create)
        with store_lock():
            found = client.get_experiment_by_name(experiment)
            if found is None and create:
                place = (project_root() / ARTIFACTS / experiment).as_uri() if is_database(tracking_uri()) else None
                return cls(client, client.create_experiment(experiment, artifact_location=place, tags=KIND))
        if found is None:
            names = ", ".join(sorted(each.name for each in client.search_experiments())) or "none"
            raise UserError(f"MLflow has no experiment {experiment!r}; it has: {names}. Choose with --experiment.")
        if found.lifecycle_stage != "active":
            raise UserError(
                f"The MLflow experiment {experiment!r} was deleted; restore it in the UI, "
                "or choose another name with -S tracking.experiment=…"
            )
        for name in KIND.keys() - found.tags.keys() if create else ():  # made by an earlier version
            client.set_experiment_tag(found.experiment_id, name, KIND[name])
        return cls(client, found.experiment_id)

    def runs_with(self, tags: Mapping[str, str], status: str | None = None) -> list[Run]:
        """All runs that carry all of the tags, newest first."""
        terms = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
        if status is not None:
            terms.append(f"attributes.status = '{status}'")
        runs: list[Run] = []
        token = None
        while True:  # MLflow hands them out by the thousand
            page = self.client.search_runs(
                [self.experiment_id], " and ".join(terms), order_by=["attributes.start_time DESC"], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

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
        self,
        run_id: str,
        figures: Mapping[str, float],
        tags: Mapping[str, str],
        at: int | None = None,
        folder: str | None = None,
    ) -> None:
        """Log single figures under `final/`, and tags. The figures logged last are the run's, whatever the clocks say.

        Of several values of a metric MLflow shows the one of the highest step, then of the latest time, then the larger
        one. So the step is the number of the results in this experiment.

        Args:
            run_id: the run.
            figures: the same ones, sent again with the same time, are not added twice, and their tags are left alone.
            tags: further tags of the run.
            at: milliseconds since 1970; by default now.
            folder: the stage that found them, if its results are to be told apart by their order; see `order_tag`.
        """
        at = now() if at is None else at
        all_tags, step = dict(tags), 0
        if figures:
            if self._holds(run_id, figures, at):
                return
            step = self._number_of_results()
            if folder is not None:
                all_tags[order_tag(folder)] = str(step)
        metrics = [Metric(FINAL + name, value, at, step) for name, value in figures.items()]
        self.client.log_batch(run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in all_tags.items()])

    def _holds(self, run_id: str, figures: Mapping[str, float], at: int) -> bool:
        """Whether just these figures were logged with this time already."""
        return all(
            any(point.timestamp == at and _equal(point.value, value) for point in
                self.client.get_metric_history(run_id, FINAL + name))
            for name, value in figures.items()
        )  # fmt: skip

    def _number_of_results(self) -> int:
        """The next number, from 1."""
        with store_lock():
            number = int(self.client.get_experiment(self.experiment_id).tags.get(RESULTS, "0")) + 1
            self.client.set_experiment_tag(self.experiment_id, RESULTS, str(number))
        return number

    def log_files(self, run_id: str, files: Sequence[Path], folder: str) -> None:
        """Copy files into the run's artifacts."""
        for file in files:
            self.client.log_artifact(run_id, str(file), folder)

    def log_texts(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Store texts among the run's artifacts, by their place there; those that are there are replaced."""
        for place, text in texts.items():
            self.client.log_text(run_id, text, place)

    def log_images(self, run_id: str, images: Sequence[Images]) -> None:
        """Name the data sets that a run learns from and is tested on; those that are named already are not doubled."""
        if images:
            self.client.log_inputs(run_id, datasets=[each.as_input() for each in images])

    def log_pictures(self, run_id: str, pictures: Mapping[str, Path], folder: str) -> None:
        """Store picture files under keys, by which MLflow shows them beside those of other runs; each once.

        MLflow shows pictures of one step beside each other, so all have the same one; of several pictures of a step it
        shows the latest. A tag holds the number of the results whose pictures are there (see `order_tag`).

        Args:
            run_id: the run, which has these results.
            pictures: files by key.
            folder: the stage that made them.
        """
        if not pictures:
            return
        tags, shown = self.client.get_run(run_id).data.tags, f"tinyres.pictures.{folder}"
        number = tags.get(order_tag(folder), "0")
        if tags.get(shown) == number:
            return
        for key, file in pictures.items():
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert("RGB"))  # whole numbers, which MLflow stores as they are
            self.client.log_image(run_id, pixels, key=key, step=PICTURE_STEP, synchronous=True)
        self.client.set_tag(run_id, shown, number)

    def log_model(self, run_id: str, folder: Path) -> None:
        """Store a model folder as an MLflow model: images N×H×W×3 of whole numbers from 0 to 255 in, class
        probabilities N×K out. A run that has its model already keeps it.

        The signature takes whatever comes, since MLflow's server casts JSON to the type of a stricter one before the
        model sees it, and so makes black images of numbers from 0 to 1; the model itself refuses what is no image.

        The folder's own two files are what is stored and what `tinyres.cli.serving` loads: one copy of the weights,
        nothing to unpickle, and `tinyres predict` finds all that it needs. The package's code travels along, for those
        who have not installed it.
        """
        if self.models_of(run_id):
            return
        description = read_model_description(folder)
        images = TensorSpec(np.dtype(object), (-1,))
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


def order_tag(folder: str) -> str:
    """The tag of a run with the number of the results that a stage last found for it: the newest has the highest."""
    return f"tinyres.order.{folder}"


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def now() -> int:
    """Milliseconds since 1970, MLflow's unit of time."""
    return int(time.time() * 1000)


def connect(create: bool = True) -> MlflowClient:
    """A client of the store.

    A fresh SQLite store is set up under a file lock, since MLflow's migrations fail when two processes begin at once.

    Args:
        create: whether to make an SQLite file where there is none.

    Raises:
        UserError: there is no such file, and none shall be made.
        Exception: MLflow's own, or whatever its stores and their drivers raise.
    """
    uri = tracking_uri() if create else existing_uri()
    mlflow.set_tracking_uri(uri)
    with store_lock():
        _try_database(uri)
        client = MlflowClient(uri)
        _follow_repository(uri)
    return client


@contextmanager
def store_lock() -> Iterator[None]:
    """One process at a time looks and then writes; MLflow itself does not see to that."""
    with FileLock(project_root() / "mlflow.lock"):
        yield


def _try_database(uri: str) -> None:
    """Connect once to a database that the URI names: MLflow itself tries it 15 times, for nearly two hours."""
    if not is_database(uri):
        return
    if file := sqlite_file(uri):
        _make_sqlite(file)
    with _engine(uri) as engine:
        engine.connect().close()


def _make_sqlite(file: Path) -> None:
    """A fresh store where there is none, whole or not at all: one left amid MLflow's migrations is of no use later."""
    if not file.exists():
        with replacing(file) as draft:
            MlflowClient(sqlite_uri(draft)).search_experiments(max_results=1)


def _follow_repository(uri: str) -> None:
    """Let artifacts be found and written where the repository is now, if its store was moved or copied with it.

    MLflow stores their addresses whole. Those of an experiment that this project made end in
    `mlartifacts/<experiment>`; what stands before is where the repository was.
    """
    file, here = sqlite_file(uri), (project_root() / ARTIFACTS).as_uri()
    if file is None or not file.is_relative_to(project_root()):
        return
    with _engine(uri) as engine, engine.connect() as connection:
        found = connection.execute(sqlalchemy.text("SELECT name, artifact_location FROM experiments")).all()
        ends = [(place or "", (Path("/") / ARTIFACTS / name).as_uri().removeprefix("file://")) for name, place in found]
        roots = {place.removesuffix(end) for place, end in ends if place.startswith("file:") and place.endswith(end)}
        for before in {f"{root}/{ARTIFACTS}" for root in roots} - {here}:
            for table, column in ARTIFACT_ADDRESSES:
                moved = f"UPDATE {table} SET {column} = :here || substr({column}, length(:before) + 1)"
                inside = f"WHERE substr({column}, 1, length(:before) + 1) = :before || '/'"
                connection.execute(sqlalchemy.text(f"{moved} {inside}"), {"here": here, "before": before})
        connection.commit()


@contextmanager
def _engine(uri: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(uri)
    try:
        yield engine
    finally:
        engine.dispose()


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
