"""pretrain: one network learns from images without labels; others start from its weights (`init_from`)."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.dataset import read_description, read_split
from tinyres.common.errors import told_in_one_sentence
from tinyres.params import read_params
from tinyres.tracking.model_location import model_folder
from tinyres.tracking.recorder import MLflowRecorder
from tinyres.training import RECIPE
from tinyres.training.initial_weights import read_initial_weights
from tinyres.training.rotations import ROTATIONS, pretraining_params, rotations_of
from tinyres.training.run import Task, followed_split, train_model

SUBSET = Path("data/subset")


def main(name: str) -> None:
    """Train the model `name` to tell by how much an image was rotated, on all training images."""
    params = read_params(*RECIPE, "pretrain", f"models.{name}")
    trainer_params = pretraining_params(params)
    data = read_description(SUBSET)
    images = read_split(SUBSET / "train")
    if "unlabelled" in data.sizes:
        images = images.followed_by(read_split(SUBSET / "unlabelled"))
    train = rotations_of(images)
    prefix, followed = followed_split(SUBSET, data)
    task = Task(
        script=Path(__file__),
        dataset=SUBSET / "dataset.json",
        data=replace(data, classes=ROTATIONS),
        train=train,
        originals=len(train),
        followed=(prefix, rotations_of(followed)),
    )
    recorder = MLflowRecorder(read_params("tracking").tracking, "pretrain")
    initial = read_initial_weights(params.models[name], model_folder)
    train_model(name, params, task, recorder, initial, trainer_params)


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1])
