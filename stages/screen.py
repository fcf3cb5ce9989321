"""screen: what each ingredient of a recipe brings on validation images, from short trainings with half of them each."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from tinyres.atomic import write_json, write_text
from tinyres.data.arrays import read_description, read_split
from tinyres.errors import UserError, told_in_one_sentence
from tinyres.fingerprint import hash_code, hash_files, hash_value
from tinyres.inference import accuracy_of
from tinyres.models import build, describe
from tinyres.params import Params, plain, read_params
from tinyres.runtime import Machine, prepare_machine
from tinyres.screening import Design, effects_of, effects_table, runs_table, screening_design
from tinyres.training.batches import place, seed_weights
from tinyres.training.checkpoint import Checkpoints
from tinyres.training.interruption import StopRequest
from tinyres.training.trainer import Trainer

SUBSET = Path("data/subset")
METRICS = Path("metrics")


def main(network: str, file: Path) -> None:
    """Train `network` by every run of the design, from the study's own recipe and the ingredients' values."""
    ingredients: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    if "validation" not in read_description(SUBSET).sizes:
        raise UserError("Ingredients are chosen on validation images: set subset.validation.")
    design = screening_design(len(ingredients))
    accuracies = train_all(network, recipes_of(design, network, ingredients))
    effects = dict(zip(ingredients, effects_of(design, accuracies), strict=True))
    write_text(METRICS / "ingredients.md", effects_table(effects, ingredients).render("md"))
    write_text(METRICS / "runs.csv", runs_table(list(ingredients), design, accuracies).render("csv"))


def recipes_of(design: Design, network: str, ingredients: dict[str, dict[str, Any]]) -> list[Params]:
    """The study's recipe with each run's ingredients, and a seed for each."""
    recipes = []
    for number, row in enumerate(design):
        chosen = [values for values, has in zip(ingredients.values(), row, strict=True) if has]
        recipe = read(network, {name: value for values in chosen for name, value in values.items()})
        recipes.append(recipe.model_copy(update={"seed": recipe.seed + number}))
    return recipes


def read(network: str, changes: dict[str, Any]) -> Params:
    """The study's recipe with some values changed."""
    return read_params(
        *("seed", "lr", "batch_size", "epochs", "weight_decay", "augment.online", "optimizer", "scheduler"),
        *("loss", "early_stopping", f"models.{network}", "runtime"),
        changes=changes,
    )


def train_all(network: str, recipes: list[Params]) -> list[float]:
    """Validation accuracy at the end of each training. A stage that was killed goes on after the last finished one."""
    machine = prepare_machine(recipes[0].runtime)
    checkpoints = Checkpoints(hash_value({
        "recipes": [plain(recipe) for recipe in recipes],
        "code": hash_code(Path(__file__)),
        "data": hash_files([SUBSET / "dataset.json"]),
        "torch": version("torch"),
    }))  # fmt: skip
    finished = checkpoints.folder / "accuracies.json"
    accuracies: list[float] = json.loads(finished.read_text(encoding="utf-8")) if finished.exists() else []
    for number, recipe in enumerate(recipes[len(accuracies) :], start=len(accuracies) + 1):
        accuracies.append(train(network, recipe, machine, checkpoints))
        write_json(finished, accuracies)
        print(f"run {number}/{len(recipes)}: validation accuracy {accuracies[-1]:.2%}", file=sys.stderr, flush=True)
    checkpoints.remove()
    return accuracies


def train(network: str, params: Params, machine: Machine, checkpoints: Checkpoints) -> float:
    """Validation accuracy at the end of a training, of minutes, in which nothing is kept to go on from."""
    data = read_description(SUBSET)
    images, followed = (
        place(read_split(SUBSET / name), params.runtime.data, machine.device) for name in ("train", "validation")
    )
    seed_weights(params.seed)
    classifier = build(describe(network, params.models[network], data, {})).to(machine.device)
    trainer = Trainer(params, network, classifier, len(data.classes), images, ("val", followed), machine, checkpoints)
    trainer.progress.is_terminal = trainer.progress.announces_cost = False
    for _ in range(params.epochs):
        trainer.train_epoch(StopRequest())
        trainer.schedule.after_epoch()
    return accuracy_of(trainer.weights.classifier, followed.images, followed.labels, machine)


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]))
