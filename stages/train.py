"""train-<model>: one network of the study, from fresh weights to a model folder, its curves and its MLflow run."""

import sys
from importlib.metadata import version
from pathlib import Path

from tinyres.atomic import write_json
from tinyres.data.arrays import Description, read_description, read_split
from tinyres.errors import told_in_one_sentence
from tinyres.fingerprint import hash_files, hash_value, import_closure
from tinyres.history import write_history
from tinyres.inference import accuracy_of
from tinyres.initial_weights import InitialWeights, initialise, read_initial_weights
from tinyres.models import ModelDescription, build, save_model
from tinyres.params import Params, plain, read_params
from tinyres.runtime import Machine, prepare_machine
from tinyres.tracking.lineage import lineage_documents, lineage_tags
from tinyres.tracking.recorder import Recorder
from tinyres.tracking.system import system_metrics
from tinyres.training.batches import ResidentSplit, place, seed_weights
from tinyres.training.checkpoint import Checkpoints
from tinyres.training.trainer import Trainer

DATA = Path("data")


def main(name: str, folder: Path) -> None:
    """Train the model `name` on the images in `folder`: `subset`, with the copies in `augmented` behind them."""
    params = read_params(
        *("seed", "lr", "batch_size", "epochs", "weight_decay", "augment.online", "optimizer", "scheduler"),
        *("loss", "early_stopping", f"models.{name}", "tracking", "runtime"),
    )
    machine = prepare_machine(params.runtime)
    data = read_description(folder / "subset")
    initial = read_initial_weights(params.models[name])
    description = describe(name, params, folder, data, initial)
    seed_weights(params.seed)
    classifier = initialise(build(description), initial, params.models[name]).to(machine.device)

    train, followed = load_images(folder, data, params.runtime.data, machine)

    key = training_key(description, folder)
    checkpoints = Checkpoints(key)
    trainer = Trainer(params, name, classifier, len(data.classes), train, followed, machine, checkpoints)
    if machine.ranks.rank > 0:  # the first writes and tells
        trainer.fit()
        return

    tags = lineage_tags(f"train-{name}", description.training["data"], machine.device)
    recorder = Recorder(
        params.tracking.experiment, name, key, description.training["params"], tags, lineage_documents()
    )
    with system_metrics(recorder.run_id if params.tracking.system_metrics else None):
        history = trainer.fit(after_epoch=recorder.history)

    originals = train.first(data.sizes["train"])
    model = Path("models") / name
    save_model(model, classifier, description)
    write_history(Path("plots/history") / f"{name}.csv", history)
    write_json(Path("metrics") / f"train_{name}.json", {
        "train_accuracy": history[-1]["train_accuracy"],
        "train_accuracy_clean": accuracy_of(classifier, originals.images, originals.labels, machine),
        "train_loss": history[-1]["train_loss"],
        "epochs": len(history),
    })  # fmt: skip
    recorder.finish(history, model)
    checkpoints.remove()


def describe(
    name: str, params: Params, folder: Path, data: Description, initial: InitialWeights | None
) -> ModelDescription:
    """What `model.json` will say, the parameters, data and given initial weights of the training included."""
    spec = params.models[name]
    read = plain(params)
    del read["tracking"]  # where a run is recorded changes nothing in the model
    images = hash_files([folder / "subset/dataset.json"])
    training = {"params": read | {"model": read.pop("models")[name]}, "data": images}
    if initial is not None:
        training["initial_weights"] = initial.hash
    mean, std = (data.mean, data.std) if spec.standardise else ([0.0] * 3, [1.0] * 3)
    return ModelDescription(name, spec.model_dump(), data.classes, data.image_size, mean, std, training)


def training_key(description: ModelDescription, folder: Path) -> str:
    """Hash of everything that decides the result: parameters, code, data (its copies too), version of torch.

    Not of the launcher: a training goes on with another number of ranks.
    """
    script = Path(__file__)
    params = description.training["params"]
    decisive = params | {"runtime": {name: value for name, value in params["runtime"].items() if name != "launcher"}}
    copies = [folder / "augmented/images.npy", folder / "augmented/labels.npy"]
    return hash_value({
        "model": description.name,
        "training": description.training | {"params": decisive},
        "code": hash_files([script, *import_closure(script)]),
        "copies": hash_files(copies),
        "torch": version("torch"),
    })  # fmt: skip


def load_images(
    folder: Path, data: Description, where: str, machine: Machine
) -> tuple[ResidentSplit, tuple[str, ResidentSplit]]:
    """The training images with their copies behind them, and the split to follow: validation, or else the test set."""
    train = read_split(folder / "subset/train").followed_by(read_split(folder / "augmented"))
    prefix, followed = ("val", "validation") if "validation" in data.sizes else ("test", "test")
    return (
        place(train, where, machine.device),
        (prefix, place(read_split(folder / "subset" / followed), where, machine.device)),
    )


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else DATA)
