"""One training of a study, from a network's first weights to a model folder and its curves."""

import sys
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tinyres.common.atomic import write_json
from tinyres.common.curves import write_curves
from tinyres.common.dataset import Description, Split, read_split
from tinyres.common.hashes import hash_files, hash_value, source_files
from tinyres.common.model_folder import ModelDescription
from tinyres.common.training_record import Recorder, Training
from tinyres.models import build, describe, save_model
from tinyres.models.inference import accuracy_of
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Params, Runtime, plain
from tinyres.training import ROOMS
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.initial_weights import InitialWeights, initialise
from tinyres.training.placement import place
from tinyres.training.seeds import seed_weights
from tinyres.training.trainer import Trainer, TrainerImages


@dataclass(frozen=True)
class Task:
    """What a network learns, and from which images."""

    script: Path
    """The stage's script; the training's key hashes it."""
    dataset: Path
    """The `dataset.json` of the images. Its hash stands for all of them."""
    data: Description
    """Its content; the classes are those of the task."""
    train: Split
    originals: int
    """The first `originals` images of `train` are unchanged; copies follow them."""
    followed: tuple[str, Split]
    """Prefix (`val` or `test`) and images followed after every epoch."""
    copies: list[Path] = field(default_factory=list)
    """Files of images that are not in `dataset`."""


def train_model(
    name: str,
    params: Params,
    task: Task,
    recorder: Recorder,
    initial: InitialWeights | None = None,
    trainer_params: Params | None = None,
) -> None:
    """Train the model `name` and write `models/<name>`, its curves and its figures, below the working folder.

    Args:
        name: in `params.models`.
        params: all parameters that the stage read.
        task: what the model learns.
        recorder: keeps the training's record.
        initial: the weights to begin with; None for fresh ones.
        trainer_params: the trainer's parameters, where they differ from `params`.

    Raises:
        UserError: as for `Trainer`, `build` and `initialise`.
    """
    description = describe_model(name, params, task, initial)
    machine = as_it_began(prepare_machine(params.runtime), params.runtime, description, task)
    key = training_key(description, task, machine)
    trainer = make_trainer(description, key, trainer_params or params, task, machine, initial)
    if machine.processes.rank > 0:  # rank 0 alone writes and keeps the record
        trainer.fit()
        return

    with recorder.record(describe_training(description, key, task, machine)) as record:
        curves = trainer.fit(after_epoch=record.epochs)
        originals = trainer.images.train.first(task.originals)
        model = Path("models") / name
        save_model(model, trainer.classifier, description)
        write_curves(Path("plots/history") / f"{name}.csv", curves)
        write_json(Path("metrics") / f"train_{name}.json", {
            "train_accuracy": curves[-1]["train_accuracy"],
            "train_accuracy_clean": accuracy_of(trainer.classifier, originals.images, originals.labels, machine),
            "train_loss": curves[-1]["train_loss"],
            "epochs": len(curves),
        })  # fmt: skip
        record.finish(curves, model)
    trainer.checkpoints.remove()


def describe_training(description: ModelDescription, key: str, task: Task, machine: Machine) -> Training:
    """What a recorder learns about a training before its first step."""
    training = description.training
    return Training(description.name, key, training["params"], task.data, training["data"], machine.environment())


def describe_model(name: str, params: Params, task: Task, initial: InitialWeights | None) -> ModelDescription:
    """What `model.json` says of the model `name` of `params`, including the parameters, the data and, if given, the
    initial weights of its training."""
    read = plain(params)
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
    """The trainer of a described model: first weights in place, images of its task on the machine.

    Args:
        description: of the model, by its name in `params.models`.
        key: as `training_key` gives it.
        params: the trainer's.
        task: what the model learns.
        machine: to train on.
        initial: the weights to begin with; None for fresh ones.
    """
    seed_weights(params.seed)
    classifier = machine.prepare(initialise(build(description), initial, params.models[description.name]))
    prefix, followed = task.followed
    train, monitored = (place(split, params.runtime.data, machine.device) for split in (task.train, followed))
    images = TrainerImages(train, monitored, prefix, len(description.classes))
    return Trainer(
        params,
        description.name,
        classifier,
        images,
        machine,
        CheckpointStore(key),
    )


def as_it_began(machine: Machine, runtime: Runtime, description: ModelDescription, task: Task) -> Machine:
    """The machine, with the convolutions that an unfinished training began with, if there is one.

    Only `auto` leaves a choice. If the unfinished training began with other convolutions than a new one would have, or
    with some that this machine lacks, one line says so.
    """
    other = replace(machine, convolutions="torch" if machine.convolutions == "winograd" else "winograd")
    waiting = machine.processes.from_first(
        [CheckpointStore(training_key(description, task, each)).exist() for each in (machine, other)]
    )
    if runtime.convolutions != "auto" or waiting != [False, True]:
        return machine
    goes_on = other.convolutions == "torch"
    if machine.processes.rank == 0:
        told = "it goes on with them" if goes_on else "this machine cannot have them, so it starts anew"
        print(f"{description.name}: began with {other.convolutions} convolutions; {told}.", file=sys.stderr, flush=True)
    return other if goes_on else machine


def training_key(description: ModelDescription, task: Task, machine: Machine) -> str:
    """Hash of all that decides the result: parameters, code, data and its copies, initial weights, torch's version.

    The method that `runtime.convolutions: auto` resolved to counts, not the word. The launcher is not part of it: a
    training can continue with another number of processes.
    """
    params = description.training["params"]
    runtime = {name: value for name, value in params["runtime"].items() if name != "launcher"}
    decisive = params | {"runtime": runtime | {"convolutions": machine.convolutions}}
    return hash_value({
        "model": description.name,
        "training": description.training | {"params": decisive},
        "code": hash_files([task.script, *source_files(ROOMS)]),
        "copies": hash_files(task.copies),
        "torch": version("torch"),
    })  # fmt: skip


def followed_split(subset: Path, data: Description) -> tuple[str, Split]:
    """The split to follow a training with, and its prefix: the validation images, or else the test set."""
    prefix, split = ("val", "validation") if "validation" in data.sizes else ("test", "test")
    return prefix, read_split(subset / split)
