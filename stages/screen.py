"""screen: what each ingredient of a recipe brings on validation images, from short trainings with half of them each."""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tinyres.atomic import write_text
from tinyres.data.arrays import read_description, read_split
from tinyres.errors import UserError, told_in_one_sentence
from tinyres.inference import accuracy_of
from tinyres.models import Classifier, build_network
from tinyres.params import Params, read_params
from tinyres.runtime import Machine, prepare_machine
from tinyres.screening import effects_of, effects_table, runs_table, screening_design
from tinyres.training.batches import place, seed_weights
from tinyres.training.checkpoint import Checkpoints
from tinyres.training.interruption import StopRequest
from tinyres.training.trainer import Trainer

SUBSET = Path("data/subset")
METRICS = Path("metrics")


def main(network: str, ingredients: Path) -> None:
    """Train `network` by every run of the design, from the study's own recipe and the ingredients' settings."""
    settings: dict[str, list[str]] = yaml.safe_load(ingredients.read_text(encoding="utf-8"))
    if "validation" not in read_description(SUBSET).sizes:
        raise UserError("Ingredients are chosen on validation images: set subset.validation.")
    names = list(settings)
    design = screening_design(len(names))
    recipes = [
        read(network, [change for name, has in zip(names, row, strict=True) if has for change in settings[name]])
        for row in design
    ]
    machine = prepare_machine(recipes[0].runtime)
    accuracies = []
    for number, recipe in enumerate(recipes):
        accuracies.append(train(network, recipe, recipe.seed + number, machine))
        print(f"run {number + 1}/{len(recipes)}: validation accuracy {accuracies[-1]:.2%}", file=sys.stderr, flush=True)
    effects = dict(zip(names, effects_of(design, accuracies), strict=True))
    write_text(METRICS / "ingredients.md", effects_table(effects, settings).render("md"))
    write_text(METRICS / "runs.csv", runs_table(names, design, accuracies).render("csv"))


def read(network: str, settings: Sequence[str]) -> Params:
    """The study's recipe with some settings changed."""
    return read_params(
        *("seed", "lr", "batch_size", "epochs", "weight_decay", "augment.online", "optimizer", "scheduler"),
        *("loss", "early_stopping", f"models.{network}", "runtime"),
        settings=settings,
    )


def train(network: str, params: Params, seed: int, machine: Machine) -> float:
    """Validation accuracy at the end of a training; of a minute, so nothing is kept to go on from."""
    params = params.model_copy(update={"seed": seed})
    data = read_description(SUBSET)
    images, followed = (
        place(read_split(SUBSET / name), params.runtime.data, machine.device) for name in ("train", "validation")
    )
    seed_weights(seed)
    spec = params.models[network]
    fresh = build_network(spec, len(data.classes), data.image_size)
    mean, std = (data.mean, data.std) if spec.standardise else ([0.0] * 3, [1.0] * 3)
    classifier = Classifier(fresh, mean, std).to(machine.device)
    trainer = Trainer(
        *(params, network, classifier, len(data.classes), images, ("val", followed), machine), Checkpoints("screen")
    )
    trainer.progress.is_terminal = trainer.progress.announces_cost = False
    for _ in range(params.epochs):
        trainer.train_epoch(StopRequest())
        trainer.schedule.after_epoch()
    return accuracy_of(trainer.weights.classifier, followed.images, followed.labels, machine)


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]))
