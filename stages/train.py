"""train-<model>: one network of the study, from its first weights to a model folder and its curves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.dataset import read_description, read_split
from tinyres.common.errors import told_in_one_sentence
from tinyres.params import read_params
from tinyres.tracking.model_location import model_folder
from tinyres.tracking.recorder import MLflowRecorder
from tinyres.training import RECIPE
from tinyres.training.initial_weights import read_initial_weights
from tinyres.training.run import Task, followed_split, train_model

DATA = Path("data")


def main(name: str, folder: Path) -> None:
    """Train the model `name` on the images in `folder`: those in `subset`, then their copies in `augmented`."""
    params = read_params(*RECIPE, "epochs", f"models.{name}")
    subset, augmented = folder / "subset", folder / "augmented"
    data = read_description(subset)
    train = read_split(subset / "train")
    task = Task(
        script=Path(__file__),
        dataset=subset / "dataset.json",
        data=data,
        train=train.followed_by(read_split(augmented)),
        originals=len(train),
        followed=followed_split(subset, data),
        copies=[augmented / "images.npy", augmented / "labels.npy"],
    )
    recorder = MLflowRecorder(read_params("tracking").tracking, f"train-{name}")
    train_model(name, params, task, recorder, read_initial_weights(params.models[name], model_folder))


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else DATA)
