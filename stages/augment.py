"""augment: changed copies of the training set, and a picture of what training will see."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.augmentation.online import BatchAugmentation, sample
from tinyres.common.atomic import replacing
from tinyres.common.dataset import Images, Split, read_description, read_split, write_split
from tinyres.common.errors import told_in_one_sentence
from tinyres.common.pixels import channels_first
from tinyres.copies.pipelines import copies_of
from tinyres.figures.images import plot_augmentations, plot_labelled_images
from tinyres.params import OnlineAugmentation, read_params

SUBSET = Path("data/subset")
COPIES = Path("data/augmented")
SHOWN_IMAGES, SHOWN_DRAWS, GRID_IMAGES = 10, 4, 20


def main() -> None:
    params = read_params("seed", "augment")
    train = read_split(SUBSET / "train")
    copies = write_copies(train, params.augment.offline, params.seed)
    classes = read_description(SUBSET).classes
    shown = train.take(np.arange(min(SHOWN_IMAGES, len(train))))
    labels = [classes[label].replace("_", " ") for label in train.labels[:GRID_IMAGES]]
    plot_labelled_images("plots/training_images.png", train.images[:GRID_IMAGES], labels)
    plot_augmentations("plots/augmentations.png", [
        ("original", shown.images),
        *offline_views(copies, params.augment.offline, len(train)),
        *online_views(params.augment.online, shown, len(classes), params.seed),
    ])  # fmt: skip


def write_copies(train: Split, pipelines: list[str], seed: int) -> Split:
    copies = copies_of(train, pipelines, seed)
    with replacing(COPIES) as draft:
        write_split(draft, copies)
    return copies


def offline_views(copies: Split, pipelines: list[str], count: int) -> list[tuple[str, Images]]:
    """The first images of each pipeline's copy of the `count` training images."""
    starts = range(0, len(copies), count)
    return [(name.replace("_", " "), copies.images[start : start + SHOWN_IMAGES])
            for name, start in zip(pipelines, starts, strict=True)]  # fmt: skip


def online_views(policy: OnlineAugmentation, split: Split, classes: int, seed: int) -> list[tuple[str, Images]]:
    """The same images as one batch, under several samples of the policy, in order; none where nothing changes.

    Where images are mixed, they are so with each other.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width = split.images.shape[1:3]
    augmentation = BatchAugmentation(policy, height, width, classes, torch.device("cpu"))
    images, labels = channels_first(split.images), torch.from_numpy(split.labels.copy())
    bounds = [(0, len(split))]
    views: list[tuple[str, Images]] = []
    if not augmentation.changes_anything:
        return views
    for number in range(1, SHOWN_DRAWS + 1):
        samples = sample(policy, len(split), generator)
        prepared = augmentation.prepare(samples, bounds)
        order = prepared.order
        pixels, _ = augmentation(images[order], labels[order], prepared, batch=0)
        view = np.empty_like(split.images)
        view[order.numpy()] = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        views.append((f"draw {number}", view))
    return views


if __name__ == "__main__":
    with told_in_one_sentence():
        main()
