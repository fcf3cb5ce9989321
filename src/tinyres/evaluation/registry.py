"""MLflow's model registry: every evaluated network is a version of a name, and one version of each is the champion.

A name is `<experiment>-<model>`, as `cifar100-resnet18-modified`: one store holds several experiments, and several of
them train a `modified`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from tinyres.common.model_folder import weights_hash
from tinyres.common.repository import project_root
from tinyres.tracking.store import MODEL, WEIGHTS, Store, never_in_the_way

CHAMPION = "champion"
TEST_IMAGES = "tinyres.test_images"  # tag of a run: hash of the test images that it was evaluated on
RUN = "tinyres.run"
LEADS_BACK = (WEIGHTS, "tinyres.data", TEST_IMAGES, "dvc.experiment", "git.commit")  # copied from the run's tags


def registered_name(experiment: str, model: str) -> str:
    """The name of a study's model in the registry; what has a meaning in `models:/NAME@ALIAS` becomes `-`."""
    return re.sub(r"[^\w.-]+", "-", f"{experiment}-{model}")


def register_models(experiment: str, models: Sequence[str]) -> None:
    """Give each trained network (`models/<name>`) a version, if its weights have none yet.

    Args:
        experiment: name of the MLflow experiment that holds the networks' runs.
        models: names of the networks.
    """
    with never_in_the_way("the versions of the models"):
        store = Store.open(experiment)
        for model in models:
            folder = Path("models") / model
            for run in store.runs_with({WEIGHTS: weights_hash(folder)})[:1]:  # none: recording it failed and said so
                if not store.models_of(run.info.run_id):
                    store.log_model(run.info.run_id, folder)
                register(store, run)


def register(store: Store, run: Run) -> ModelVersion:
    """The version of a run's model: the one that has its weights, or a new one, whose tags lead back to the run.

    The first version of a name becomes the champion.

    Raises:
        MlflowException: the store cannot be reached, or the run holds no model.
    """
    name = name_of(store, run)
    with registry_lock():
        if known := version_of(store, run):
            return known
        logged = store.models_of(run.info.run_id)
        if not logged:
            raise MlflowException(f"run {run.info.run_id} holds no model", RESOURCE_DOES_NOT_EXIST)
        try:
            store.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
        first = not store.client.search_model_versions(f"name = '{name}'")
        tags = {RUN: run.info.run_id} | {tag: run.data.tags[tag] for tag in LEADS_BACK if tag in run.data.tags}
        source, model_id = logged[0].model_uri, logged[0].model_id  # a server asks for both
        version = store.client.create_model_version(name, source, run.info.run_id, tags, model_id=model_id)
        if first:
            store.client.set_registered_model_alias(name, CHAMPION, version.version)
        return version


def name_of(store: Store, run: Run) -> str:
    """The name under which a run's model is registered."""
    return registered_name(store.client.get_experiment(run.info.experiment_id).name, run.data.tags[MODEL])


def version_of(store: Store, run: Run) -> ModelVersion | None:
    """The version that has a run's weights; another run may have brought it."""
    weights = run.data.tags.get(WEIGHTS)
    found = store.client.search_model_versions(f"name = '{name_of(store, run)}' and tags.`{WEIGHTS}` = '{weights}'")
    return found[0] if found else None


def champion(store: Store, name: str) -> ModelVersion | None:
    """The version that the alias points at."""
    aliases = store.client.get_registered_model(name).aliases
    return store.client.get_model_version(name, aliases[CHAMPION]) if CHAMPION in aliases else None


@contextmanager
def registry_lock() -> Iterator[None]:
    """One process at a time looks and then writes: MLflow itself would give the same weights a version twice."""
    with FileLock(project_root() / "mlflow.lock"):
        yield
