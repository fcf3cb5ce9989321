"""pretrain: one network learns from images without labels; others begin with its weights (`init_from`)."""

import sys
from dataclasses import replace
from pathlib import Path

from tinyres.data.arrays import read_description, read_split
from tinyres.errors import told_in_one_sentence
from tinyres.model_training import Task, followed_split, train_model
from tinyres.params import read_params
from tinyres.training.rotations import ROTATIONS, pretraining_params, rotations_of

SUBSET = Path("data/subset")


def main(name: str) -> None:
    """Train the model `name` to tell by how much an image was turned, on all training images."""
    params = read_params(
        *("seed", "lr", "batch_size", "weight_decay", "augment.online", "pretrain", "optimizer", "scheduler"),
        *("loss", "early_stopping", f"models.{name}", "tracking", "runtime"),
    )
    trainer_params = pretraining_params(params)
    data = read_description(SUBSET)
    images = read_split(SUBSET / "train")
    if "unlabelled" in data.sizes:
        images = images.followed_by(read_split(SUBSET / "unlabelled"))
    train = rotations_of(images)
    prefix, followed = followed_split(SUBSET, data)
    train_model(name, params, Task(
        stage="pretrain",
        script=Path(__file__),
        dataset=SUBSET / "dataset.json",
        data=replace(data, classes=ROTATIONS),
        train=train,
        originals=len(train),
        followed=(prefix, rotations_of(followed)),
    ), trainer_params)  # fmt: skip


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1])
