"""MLflow's model registry: every evaluated network is a version of a name, and one version of each is the champion.

A name is `<experiment>-<model>`, as `cifar100-resnet18-modified`: one store holds several experiments, and several of
them train a `modified`. Only accuracies on the same test images can be compared, so each set of test images has a
champion of its own, `champion-<first digits of the images' hash>`; the alias `champion` is the one on the largest set.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from tinyres.common.model_folder import weights_hash
from tinyres.evaluation.card_folder import CARDS, card_folder
from tinyres.tracking.failures import never_in_the_way
from tinyres.tracking.store import DESCRIPTION, FINAL, MODEL, WEIGHTS, Store, store_lock

CHAMPION = "champion"
TEST_IMAGES = "tinyres.test_images"  # tag of a run: hash of the test images that it was evaluated on
TEST_SIZE = "tinyres.test_size"  # tag of a run: how many these are
RUN = "tinyres.run"
# Tags that a version has from its run:
LEADS_BACK = (WEIGHTS, "tinyres.data", TEST_IMAGES, TEST_SIZE, "dvc.experiment", "git.commit")


def registered_name(experiment: str, model: str) -> str:
    """The name of a study's model in the registry; what has a meaning in `models:/NAME@ALIAS` becomes `-`."""
    return re.sub(r"[^\w.-]+", "-", f"{experiment}-{model}")


def register_models(experiment: str, models: Sequence[str]) -> None:
    """Give each trained network (`models/<name>`) a version, if its weights have none yet, and a copy of its card.

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
                version, card = register(store, run), card_folder(folder)
                for run_id in {run.info.run_id, version.run_id}:  # an earlier run of the same weights has the version
                    for logged in store.models_of(run_id):
                        store.client.log_model_artifacts(logged.model_id, str(card), f"{CARDS}/{card.name}")


def register(store: Store, run: Run) -> ModelVersion:
    """The version of a run's model: the one that has its weights, or a new one, whose tags lead back to the run.

    The first version that was tested on some images becomes the champion on them.

    Raises:
        MlflowException: the store cannot be reached, or the run holds no model.
    """
    with store_lock():
        version = version_of(store, run) or _new_version(store, run)
        holder = champion_on_same_images(store, version)
        if holder is None or holder.version == version.version:  # it may not have that alias yet
            make_champion(store, version)
        return version


def _new_version(store: Store, run: Run) -> ModelVersion:
    name, logged = name_of(store, run), store.models_of(run.info.run_id)
    if not logged:
        raise MlflowException(f"run {run.info.run_id} holds no model", RESOURCE_DOES_NOT_EXIST)
    try:
        store.client.create_registered_model(
            name, description=f"`{run.data.tags[MODEL]}`; the version to use is `models:/{name}@{CHAMPION}`."
        )
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    tags = {RUN: run.info.run_id} | {tag: run.data.tags[tag] for tag in LEADS_BACK if tag in run.data.tags}
    source, model_id = logged[0].model_uri, logged[0].model_id  # a server asks for both
    return store.client.create_model_version(
        name, source, run.info.run_id, tags, model_id=model_id, description=_described(run)
    )


def _described(run: Run) -> str:
    """What was trained, as its run says, and how accurate it is."""
    trained = run.data.tags.get(DESCRIPTION, f"**{run.data.tags[MODEL]}**.")
    accuracy, size = run.data.metrics.get(FINAL + "test_accuracy"), run.data.tags.get(TEST_SIZE)
    if accuracy is None or size is None:
        return trained
    return f"{trained} Test accuracy {100 * accuracy:.2f} % on {int(size):,} images."


def name_of(store: Store, run: Run) -> str:
    """The name under which a run's model is registered."""
    return registered_name(store.client.get_experiment(run.info.experiment_id).name, run.data.tags[MODEL])


def version_of(store: Store, run: Run) -> ModelVersion | None:
    """The version that has a run's weights; another run may have brought it. Its tags follow a later evaluation."""
    weights = run.data.tags.get(WEIGHTS)
    found = store.client.search_model_versions(f"name = '{name_of(store, run)}' and tags.`{WEIGHTS}` = '{weights}'")
    if not found:
        return None
    version = found[0]
    for tag in (TEST_IMAGES, TEST_SIZE):
        value = run.data.tags.get(tag)
        if value is not None and version.tags.get(tag) != value:
            store.client.set_model_version_tag(version.name, version.version, tag, value)
    return store.client.get_model_version(version.name, version.version)


def champion(store: Store, name: str, alias: str = CHAMPION) -> ModelVersion | None:
    """The version that an alias points at."""
    aliases = store.client.get_registered_model(name).aliases
    return store.client.get_model_version(name, aliases[alias]) if alias in aliases else None


def champion_on_same_images(store: Store, version: ModelVersion) -> ModelVersion | None:
    """The champion on the test images of a version; that of its name where it is not known what these were.

    Earlier versions of this project kept one champion for all images. An alias may point at a version that was tested
    on others since, and whose run holds its answers for those alone; that one is not meant.
    """
    of_name, images = champion(store, version.name), version.tags.get(TEST_IMAGES)
    if images is None:
        return of_name
    candidates = (champion(store, version.name, images_alias(images)), of_name)
    return next((each for each in candidates if each and each.tags.get(TEST_IMAGES) == images), None)


def make_champion(store: Store, version: ModelVersion, whatever_the_images: bool = False) -> bool:
    """Make a version the champion on its test images, and of its name unless that one was tested on as many others.

    Args:
        store: the experiment's.
        version: what becomes the champion.
        whatever_the_images: of its name as well, in any case.

    Returns:
        whether it is the champion of its name now.
    """
    holder, images = champion(store, version.name), version.tags.get(TEST_IMAGES)
    of_name = (
        whatever_the_images
        or holder is None
        or holder.tags.get(TEST_IMAGES) == images
        or _test_size(version, unknown=0) > _test_size(holder, unknown=sys.maxsize)
    )
    aliases = [images_alias(images)] if images is not None else []
    for alias in [*aliases, CHAMPION] if of_name else aliases:
        store.client.set_registered_model_alias(version.name, alias, version.version)
    return of_name


def images_alias(images: str) -> str:
    """The alias of the champion on some test images, by their hash."""
    return f"{CHAMPION}-{images[:8]}"


def _test_size(version: ModelVersion, unknown: int) -> int:
    return int(version.tags.get(TEST_SIZE, unknown))
