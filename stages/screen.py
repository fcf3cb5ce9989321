"""screen: the effect of each ingredient of a recipe on validation accuracy, from short trainings with half of them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.atomic import write_json, write_text
from tinyres.common.curves import EpochRecord
from tinyres.common.dataset import read_description, read_split
from tinyres.common.errors import UserError, told_in_one_sentence
from tinyres.common.hashes import hash_value
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.screening import ingredient_effects, ingredient_effects_table, runs_table, screening_design
from tinyres.models.inference import accuracy_of
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Params, load_yaml, read_params
from tinyres.tracking.lineage import lineage_documents, lineage_tags
from tinyres.tracking.model_location import model_folder
from tinyres.tracking.recording import Recording, run_name
from tinyres.tracking.spool import deliver
from tinyres.tracking.store import now
from tinyres.training import RECIPE
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.initial_weights import InitialWeights, read_initial_weights
from tinyres.training.interruption import StopRequest
from tinyres.training.run import Task, describe_model, followed_split, make_trainer, training_key

SUBSET = Path("data/subset")
METRICS = Path("metrics")
INGREDIENTS = "tinyres.ingredients"


@dataclass(frozen=True)
class Run:
    """One training of the design."""

    name: str
    ingredients: list[str]
    params: Params
    machine: Machine
    initial: InitialWeights | None
    description: ModelDescription
    key: str
    """See `training_key`."""


def main(network: str, file: Path) -> None:
    """Train `network` in every run of the design, with the study's own recipe and the run's ingredients."""
    ingredients: dict[str, dict[str, Any]] = load_yaml(file)
    data = read_description(SUBSET)
    if "validation" not in data.sizes:
        raise UserError("Ingredients are chosen on validation images: set subset.validation.")
    train = read_split(SUBSET / "train")
    followed = followed_split(SUBSET, data)
    task = Task(Path(__file__), SUBSET / "dataset.json", data, train, len(train), followed)
    design = screening_design(len(ingredients))
    runs: list[Run] = []
    for row in design:
        chosen = {name: values for (name, values), has in zip(ingredients.items(), row, strict=True) if has}
        runs.append(make_run(len(runs), network, chosen, task))
    accuracies = train_all(runs, task)
    effects = dict(zip(ingredients, ingredient_effects(design, accuracies), strict=True))
    write_text(METRICS / "ingredients.md", ingredient_effects_table(effects, ingredients).render("md"))
    write_text(METRICS / "runs.csv", runs_table(list(ingredients), design, accuracies).render("csv"))


def make_run(number: int, network: str, ingredients: dict[str, dict[str, Any]], task: Task) -> Run:
    """A run of the study's recipe with some ingredients, and with a seed of its own."""
    recipe = read_params(
        *RECIPE,
        "epochs",
        f"models.{network}",
        changes={name: value for values in ingredients.values() for name, value in values.items()},
    )
    params = recipe.model_copy(update={"seed": recipe.seed + number})
    initial = read_initial_weights(params.models[network], model_folder)
    description = describe_model(network, params, task, initial)
    machine = prepare_machine(params.runtime)
    key = training_key(description, task, machine)
    return Run(f"run-{number:02}", list(ingredients), params, machine, initial, description, key)


def train_all(runs: list[Run], task: Task) -> list[float]:
    """Train all runs; return the validation accuracy of each. A killed stage resumes after the last finished run."""
    checkpoints = CheckpointStore(hash_value([run.key for run in runs]))
    finished = checkpoints.folder / "accuracies.json"
    accuracies: list[float] = json.loads(finished.read_text(encoding="utf-8")) if finished.exists() else []
    for run in runs[len(accuracies) :]:
        accuracies.append(train(run, task))
        write_json(finished, accuracies)
        told = f"run {len(accuracies)}/{len(runs)}: validation accuracy {accuracies[-1]:.2%}"
        print(told, file=sys.stderr, flush=True)
    checkpoints.remove()
    return accuracies


def train(run: Run, task: Task) -> float:
    """Train one run; return its validation accuracy. It takes minutes, so it keeps no checkpoints."""
    started = now()
    trainer = make_trainer(run.description, run.key, run.params, task, run.machine, run.initial)
    trainer.progress.silence()
    history: list[EpochRecord] = []
    for _ in range(run.params.epochs):
        history.append(trainer.train_epoch(StopRequest()) | {"lr": trainer.schedule.lr})
        trainer.schedule.after_epoch()
    validation = trainer.images.monitored
    experiment = read_params("tracking").tracking.experiment
    accuracy = accuracy_of(trainer.averaging.classifier, validation.images, validation.labels, run.machine)
    history[-1]["val_accuracy"] = accuracy
    deliver([recording(run, experiment, history, started)], run.name)
    return accuracy


def recording(run: Run, experiment: str, history: list[EpochRecord], started: int) -> Recording:
    """The run for MLflow: recipe, training curves and final validation accuracy; no model."""
    training = run.description.training
    lineage = lineage_tags("screen", training["data"], run.machine.environment())
    return Recording(
        experiment=experiment,
        name=run.name,
        key=run.key,
        params=training["params"],
        tags=lineage | {INGREDIENTS: ", ".join(run.ingredients)},
        documents=lineage_documents(),
        history=history,
        run_name=run_name(run.name),
        started=started,
    )


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]))
