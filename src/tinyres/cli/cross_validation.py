"""Probabilities for training images, from networks that were not trained on them: cross-validation."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Labels, read_description, read_split, save_array
from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_value
from tinyres.common.model_folder import ModelDescription
from tinyres.common.pixels import channels_first
from tinyres.evaluation.trust import TwinPair
from tinyres.models.inference import BATCH_SIZE, logits_of
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Params, read_params
from tinyres.tracking.model_location import model_folder
from tinyres.training import RECIPE
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.initial_weights import InitialWeights, read_initial_weights
from tinyres.training.run import Task, describe_model, followed_split, make_trainer, training_key

Rows = NDArray[np.intp]
SUBSET = Path("data/subset")


@dataclass(frozen=True)
class Recipe:
    """What the trainings of all folds share."""

    params: Params
    task: Task
    """With all training images, but without offline copies."""
    description: ModelDescription
    initial: InitialWeights | None
    machine: Machine


def cross_validated_probabilities(name: str, count: int, twins: Sequence[TwinPair]) -> NDArray[np.float16]:
    """Return probabilities for all training images of the study in the working folder (N×K).

    A network is trained for each fold, on the images of all others and without offline copies. The probabilities are
    kept with the checkpoints, so that an interrupted command goes on, and a finished one answers at once.

    Args:
        name: The network, whose recipe is that of the study.
        count: The number of folds.
        twins: Pairs of images; two of the training images are put into the same fold.

    Raises:
        UserError: The study has no such network, or too few images of a class for so many folds.
    """
    recipe = read_recipe(name)
    train = recipe.task.train
    folds = split_into_folds(train.labels, twins, count, recipe.params.seed)
    probabilities = np.empty((len(train), len(recipe.description.classes)), np.float16)
    for number, held_out in enumerate(folds, 1):
        checkpoints = CheckpointStore(key_of(recipe, held_out))
        file = checkpoints.folder.with_suffix(".npy")
        if not file.exists():
            print(f"fold {number} of {count}", file=sys.stderr, flush=True)
            judged = judge(recipe, held_out, checkpoints.key)
            with replacing(file) as draft:
                save_array(draft, judged)
            checkpoints.remove()
        probabilities[held_out] = np.load(file, allow_pickle=False)
    return probabilities


def read_recipe(name: str) -> Recipe:
    """Read what is needed to train a network of the study in the working folder."""
    params = read_params(*RECIPE, "epochs", f"models.{name}")
    data, train = read_description(SUBSET), read_split(SUBSET / "train")
    task = Task(Path(__file__), SUBSET / "dataset.json", data, train, len(train), followed_split(SUBSET, data))
    initial = read_initial_weights(params.models[name], model_folder)
    return Recipe(params, task, describe_model(name, params, task, initial), initial, prepare_machine(params.runtime))


def split_into_folds(labels: Labels, twins: Sequence[TwinPair], count: int, seed: int) -> list[Rows]:
    """Return the rows of each fold, which have about the same share of each class; twins are in the same one.

    Otherwise an image with a wrong label would be confirmed by its copy with the same label in another fold.

    Raises:
        UserError: A class has fewer images than there are folds.
    """
    smallest = int(np.bincount(labels).min())
    if not 2 <= count <= smallest:
        raise UserError(
            f"--folds is {count}, but has to be at least 2 and at most {smallest}, the training images of the smallest "
            "class."
        )
    pairs = np.array([pair.rows for pair in twins if pair.splits == ("train", "train")], np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(labels), len(labels)))
    groups = connected_components(graph, directed=False)[1]
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [held_out for _, held_out in folds.split(labels, labels, groups)]


def judge(recipe: Recipe, held_out: Rows, key: str) -> NDArray[np.float16]:
    """Train a network on all other images, and return its probabilities for those held out.

    Args:
        recipe: Of the training.
        held_out: The rows of the images that the network must not see.
        key: Names the training's checkpoints.
    """
    train = recipe.task.train
    others = train.take(np.setdiff1d(np.arange(len(train)), held_out))
    task = replace(recipe.task, train=others, originals=len(others))
    trainer = make_trainer(recipe.description, key, recipe.params, task, recipe.machine, recipe.initial)
    trainer.fit()
    logits = logits_of(trainer.classifier, channels_first(train.images[held_out]), BATCH_SIZE, recipe.machine)
    judged: NDArray[np.float16] = softmax(logits.numpy().astype(np.float64), axis=1).astype(np.float16)
    return judged


def key_of(recipe: Recipe, held_out: Rows) -> str:
    """Return the key under which the checkpoints of a fold's training are found."""
    training = recipe.description.training | {"held_out": hash_value(held_out.tolist())}
    return training_key(replace(recipe.description, training=training), recipe.task, recipe.machine)
