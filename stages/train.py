"""train-<model>: one network of the study, from fresh weights to a model folder, its curves and its MLflow run."""

import sys
from pathlib import Path

from tinyres.data.arrays import read_description, read_split
from tinyres.errors import told_in_one_sentence
from tinyres.model_training import Task, followed_split, train_model
from tinyres.params import read_params

DATA = Path("data")


def main(name: str, folder: Path) -> None:
    """Train the model `name` on the images in `folder`: `subset`, with the copies in `augmented` behind them."""
    params = read_params(
        *("seed", "lr", "batch_size", "epochs", "weight_decay", "augment.online", "optimizer", "scheduler"),
        *("loss", "early_stopping", f"models.{name}", "tracking", "runtime"),
    )
    subset, augmented = folder / "subset", folder / "augmented"
    data = read_description(subset)
    train = read_split(subset / "train")
    train_model(name, params, Task(
        stage=f"train-{name}",
        script=Path(__file__),
        dataset=subset / "dataset.json",
        data=data,
        train=train.followed_by(read_split(augmented)),
        originals=len(train),
        followed=followed_split(subset, data),
        copies=[augmented / "images.npy", augmented / "labels.npy"],
    ))  # fmt: skip


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else DATA)
