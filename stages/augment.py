"""augment: changed copies of the training set, and a picture of what training will see."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.atomic import replacing
from tinyres.common.dataset import read_description, read_split, write_split
from tinyres.common.errors import told_in_one_sentence
from tinyres.copies.pipelines import copies_of
from tinyres.copies.preview import preview
from tinyres.figures.images import plot_augmentations, plot_labelled_images
from tinyres.params import read_params

SUBSET = Path("data/subset")
GRID_IMAGES = 20


def main() -> None:
    params = read_params("seed", "augment")
    train, classes = read_split(SUBSET / "train"), read_description(SUBSET).classes
    copies = copies_of(train, params.augment.offline, params.seed)
    with replacing("data/augmented") as draft:
        write_split(draft, copies)
    labels = [classes[label].replace("_", " ") for label in train.labels[:GRID_IMAGES]]
    plot_labelled_images("plots/training_images.png", train.images[:GRID_IMAGES], labels)
    rows = preview(params.augment, train, copies, len(classes), params.seed)
    plot_augmentations("plots/augmentations.png", rows)


if __name__ == "__main__":
    with told_in_one_sentence():
        main()
