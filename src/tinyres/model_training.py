"""One network of a study, from its first weights to a model folder, its curves and its MLflow run."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tinyres.atomic import write_json
from tinyres.data.arrays import Description, Split, read_split
from tinyres.fingerprint import hash_code, hash_files, hash_value
from tinyres.history import write_history
from tinyres.inference import accuracy_of
from tinyres.initial_weights import InitialWeights, initialise, read_initial_weights
from tinyres.models import ModelDescription, build, describe, save_model
from tinyres.params import Params, plain
from tinyres.runtime import Machine, prepare_machine
from tinyres.tracking.lineage import lineage_documents, lineage_tags
from tinyres.tracking.recorder import Recorder
from tinyres.tracking.system import system_metrics
from tinyres.training.batches import place, seed_weights
from tinyres.training.checkpoint import Checkpoints
from tinyres.training.trainer import Trainer


@dataclass(frozen=True)
class Task:
    """What a network learns, and who asks."""

    stage: str
    """By its name in `dvc.yaml`."""
    script: Path
    """Of the stage."""
    dataset: Path
    """The `dataset.json` of its images, whose hash stands for all of them."""
    data: Description
    """Its content; the classes are those of the task."""
    train: Split
    originals: int
    """The first so many images of `train` are no changed copies."""
    followed: tuple[str, Split]
    """Prefix (`val` or `test`) and images followed after every epoch."""
    copies: list[Path] = field(default_factory=list)
    """Files of images that are not in `dataset`."""


def train_model(name: str, params: Params, task: Task, trainer_params: Params | None = None) -> None:
    """Train the model `name` and write `models/<name>`, its curves and its figures, below the working folder.

    Args:
        name: in `models`.
        params: all that the stage read, for the record.
        task: what it learns.
        trainer_params: what the trainer goes by, where that is not `params` themselves.

    Raises:
        UserError: as for `Trainer`, `build` and `read_initial_weights`.
    """
    machine = prepare_machine(params.runtime)
    initial = read_initial_weights(params.models[name])
    description = describe_model(name, params, task, initial)
    key = training_key(description, task)
    trainer = make_trainer(description, key, trainer_params or params, task, machine, initial)
    if machine.ranks.rank > 0:  # the first writes and tells
        trainer.fit()
        return

    tags = lineage_tags(task.stage, description.training["data"], machine.device)
    recorder = Recorder(
        params.tracking.experiment, name, key, description.training["params"], tags, lineage_documents()
    )
    with system_metrics(recorder.run_id if params.tracking.system_metrics else None):
        history = trainer.fit(after_epoch=recorder.history)

    originals = trainer.train.first(task.originals)
    model = Path("models") / name
    save_model(model, trainer.classifier, description)
    write_history(Path("plots/history") / f"{name}.csv", history)
    write_json(Path("metrics") / f"train_{name}.json", {
        "train_accuracy": history[-1]["train_accuracy"],
        "train_accuracy_clean": accuracy_of(trainer.classifier, originals.images, originals.labels, machine),
        "train_loss": history[-1]["train_loss"],
        "epochs": len(history),
    })  # fmt: skip
    recorder.finish(history, model)
    trainer.checkpoints.remove()


def describe_model(name: str, params: Params, task: Task, initial: InitialWeights | None) -> ModelDescription:
    """What `model.json` says of the model `name` of `params`: also with which parameters, data and, if given, initial
    weights it is trained."""
    read = plain(params)
    del read["tracking"]  # where a run is recorded changes nothing in the model
    training: dict[str, Any] = {
        "params": read | {"model": read.pop("models")[name]},
        "data": hash_files([task.dataset]),
    }
    if initial is not None:
        training["initial_weights"] = initial.hash
    return describe(name, params.models[name], task.data, training)


def make_trainer(
    description: ModelDescription,
    key: str,
    params: Params,
    task: Task,
    machine: Machine,
    initial: InitialWeights | None,
) -> Trainer:
    """The trainer of a described model, which has its first weights, and the images of its task on the machine.

    Args:
        description: of the model, by its name in `params.models`.
        key: as `training_key` gives it.
        params: what the trainer goes by.
        task: what the model learns.
        machine: to train on.
        initial: weights to begin with; None for fresh ones.
    """
    seed_weights(params.seed)
    classifier = initialise(build(description), initial, params.models[description.name]).to(machine.device)
    prefix, followed = task.followed
    return Trainer(
        params,
        description.name,
        classifier,
        len(description.classes),
        place(task.train, params.runtime.data, machine.device),
        (prefix, place(followed, params.runtime.data, machine.device)),
        machine,
        Checkpoints(key),
    )


def training_key(description: ModelDescription, task: Task) -> str:
    """Hash of everything that decides the result: parameters, code, data (its copies too), version of torch.

    Not of the launcher: a training goes on with another number of ranks.
    """
    params = description.training["params"]
    decisive = params | {"runtime": {name: value for name, value in params["runtime"].items() if name != "launcher"}}
    return hash_value({
        "model": description.name,
        "training": description.training | {"params": decisive},
        "code": hash_code(task.script),
        "copies": hash_files(task.copies),
        "torch": version("torch"),
    })  # fmt: skip


def followed_split(subset: Path, data: Description) -> tuple[str, Split]:
    """What to follow a training with: the validation images, or else the test set."""
    prefix, split = ("val", "validation") if "validation" in data.sizes else ("test", "test")
    return prefix, read_split(subset / split)
