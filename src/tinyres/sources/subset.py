"""Choose classes and images from a source, and set some aside for validation or pretraining."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Description, Labels, Split, channel_statistics
from tinyres.common.errors import UserError, nearest
from tinyres.params import Subset
from tinyres.sources.duplicates import find_duplicates, sentence_on
from tinyres.sources.source import Source

UNLABELLED = 1  # added to the seed, so that this sample is independent of the one for validation


def extract(source: Source, subset: Subset, seed: int) -> tuple[Description, dict[str, Split]]:
    """Extract the chosen part of a source, in the pipeline's own format.

    Labels become 0…K−1 in alphabetical order of the class names; images keep the source's order, and are resized only
    if `subset.image_size` says so. Pairs of equal images among them are reported on stderr.

    Raises:
        UserError: A class does not exist, or no images are left to train or test on.
    """
    classes = choose_classes(source, subset.classes)
    new_label = _new_labels(source, classes)
    rows = {name: _rows(new_label[split.labels], subset.per_class) for name, split in source.splits.items()}
    for duplicates in find_duplicates(source, rows):
        print(sentence_on(duplicates, source), file=sys.stderr)
    chosen = choose_images(source, subset, seed)
    splits = {name: Split(source.splits[each.of].images[each.rows], each.labels) for name, each in chosen.items()}
    if subset.image_size is not None:
        splits = {name: _resize(split, subset.image_size) for name, split in splits.items()}
    mean, std = channel_statistics(splits["train"].images)
    height, width = splits["train"].images.shape[1:3]
    superclasses = [source.superclasses[name] for name in classes] if source.superclasses else None
    sizes = {name: len(split) for name, split in splits.items()}
    origin = subset.validation_from if "validation" in splits else None
    return Description(source.name, classes, superclasses, (height, width), sizes, origin, mean, std), splits


@dataclass(frozen=True)
class Chosen:
    """Images of a source that make up one split of the subset."""

    of: str
    """The source's split that they come from."""
    rows: NDArray[np.intp]
    """Their numbers there, counted from 0 (N)."""
    labels: Labels
    """Their labels in the subset (N)."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: NDArray[np.intp]) -> "Chosen":
        """Return the given rows, in the order given."""
        return Chosen(self.of, self.rows[rows], self.labels[rows])


def choose_images(source: Source, subset: Subset, seed: int) -> dict[str, Chosen]:
    """Return which of the source's images make up each split: those of `extract`, without their pixels."""
    new_label = _new_labels(source, choose_classes(source, subset.classes))
    rows = {name: _rows(new_label[split.labels], subset.per_class) for name, split in source.splits.items()}
    splits = {
        name: Chosen(name, rows[name], new_label[split.labels[rows[name]]]) for name, split in source.splits.items()
    }
    return set_unlabelled_aside(set_validation_aside(splits, subset, seed), subset, seed)


def choose_classes(source: Source, wanted: str | Sequence[str]) -> list[str]:
    """Return class names in alphabetical order: all, those of one superclass, or those of a list.

    Raises:
        UserError: a name is unknown (with the nearest one), or fewer than two classes are left.
    """
    if wanted == "all":
        return sorted(source.classes)
    if isinstance(wanted, str):
        members = sorted(name for name, superclass in source.superclasses.items() if superclass == wanted)
        if not members:
            known = sorted(set(source.superclasses.values()))
            if wanted in source.classes:
                raise UserError(f"subset.classes is {wanted!r}, a single class; give a list of at least two classes.")
            raise UserError(f"subset.classes: there is no superclass {wanted!r}{nearest(wanted, [*known, 'all'])}")
        return members
    for name in wanted:
        if name not in source.classes:
            raise UserError(f"subset.classes: there is no class {name!r}{nearest(name, sorted(source.classes))}")
    if len(set(wanted)) < 2:
        raise UserError(f"subset.classes is {wanted!r}; give at least two different classes.")
    return sorted(set(wanted))


def set_validation_aside(splits: dict[str, Chosen], subset: Subset, seed: int) -> dict[str, Chosen]:
    """Move `subset.validation` images from the training or the test split into a split of their own.

    Images from `train` are a stratified random sample: every class gives its share, to within one image. From `test`
    they are the first images in the source's order, for studies that validate on a part of the test set.
    """
    if not subset.validation:
        return splits
    origin = splits[subset.validation_from]
    count = _count(subset.validation, "validation", len(origin), subset.validation_from)
    if subset.validation_from == "test":
        rows = np.arange(count)
    else:
        rows = _stratified_sample(origin.labels, count, np.random.default_rng(seed))
    return splits | _divide(origin, rows, subset.validation_from, "validation")


def set_unlabelled_aside(splits: dict[str, Chosen], subset: Subset, seed: int) -> dict[str, Chosen]:
    """Move a stratified sample of `subset.unlabelled` training images into a split that serves pretraining alone."""
    if not subset.unlabelled:
        return splits
    origin = splits["train"]
    count = _count(subset.unlabelled, "unlabelled", len(origin), "train")
    rows = _stratified_sample(origin.labels, count, np.random.default_rng([seed, UNLABELLED]))
    return splits | _divide(origin, rows, "train", "unlabelled")


def _count(wanted: float, parameter: str, available: int, split: str) -> int:
    """Return a number of images, given a share or a number of those available."""
    count = round(wanted * available) if wanted < 1 else int(wanted)
    if not 0 < count < available:
        raise UserError(
            f"subset.{parameter} takes {count} of the {available} {split} images; "
            "give a number that leaves some for both."
        )
    return count


def _divide(split: Chosen, rows: NDArray[np.intp], name: str, of_rows: str) -> dict[str, Chosen]:
    """Divide a split in two, by name: the rest, and the given rows; both keep the order of the images."""
    chosen = np.zeros(len(split), bool)
    chosen[rows] = True
    return {name: split.take(np.flatnonzero(~chosen)), of_rows: split.take(np.flatnonzero(chosen))}


def _stratified_sample(labels: Labels, count: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Sample `count` images so that each class has its share (largest remainders); return their rows."""
    sizes = np.bincount(labels)
    exact = sizes * count / len(labels)
    quota = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1
    rows = [generator.choice(np.flatnonzero(labels == label), take, replace=False) for label, take in enumerate(quota)]
    return np.concatenate(rows)


def _new_labels(source: Source, classes: list[str]) -> Labels:
    """Return the new label of each of the source's labels; −1 for a class that is not chosen."""
    new_label = np.full(len(source.classes), -1, np.int64)
    for label, name in enumerate(classes):
        new_label[source.classes.index(name)] = label
    return new_label


def _rows(labels: Labels, per_class: int | None) -> NDArray[np.intp]:
    """Return the rows of the chosen classes' images, or of the first of each class, in order."""
    chosen = np.flatnonzero(labels >= 0)
    return chosen if per_class is None else chosen[_first_of_each(labels[chosen], per_class)]


def _resize(split: Split, side: int) -> Split:
    from tinyres.sources.photographs import resized  # Pillow takes longer to load than all the rest

    return Split(resized(split.images, (side, side)), split.labels)


def _first_of_each(labels: Labels, count: int) -> NDArray[np.intp]:
    """Return the rows of the first `count` images of each label, in order."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.arange(len(labels)) - starts
    return np.sort(order[rank < count])
