"""What `tinyres audit` finds, and how it says so."""

import csv
import io
from collections import Counter
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from tinyres.common.atomic import write_text
from tinyres.common.dataset import Description, Split, read_description, read_split
from tinyres.common.errors import UserError
from tinyres.evaluation.trust import (
    Suspects,
    TestTwins,
    TwinPair,
    mean_probabilities,
    read_numbers,
    read_remarks,
    read_twins,
    suspect_labels,
    twins_to_show,
)
from tinyres.figures.trust import plot_suspects, plot_twins
from tinyres.params import read_params
from tinyres.sources.folder_layout import find_images
from tinyres.sources.image_folder import file_names
from tinyres.sources.photographs import read_photograph
from tinyres.sources.twins import COLUMNS, find_twins, not_searched

SHOWN = 10  # pairs and labels in the text
PICTURE = (64, 64)  # pixels to which pictures are brought before they are compared


@dataclass(frozen=True)
class Audit:
    """Twins and suspect labels of labelled images."""

    classes: list[str]
    splits: dict[str, Split]
    numbers: dict[str, NDArray[np.int64]]
    """Of each split's images, the numbers in the source."""
    pairs: list[TwinPair]
    remarks: list[str]
    """Sentences on what was not searched."""
    suspects: dict[str, Suspects]
    """By split: of the test images once networks were evaluated, of the training images where that was asked for."""
    judges: dict[str, list[str]]
    """By split, the networks by which labels are suspect."""
    files: dict[str, list[str]] | None = None
    """Of one's own pictures, the names of each split's files."""
    of_study: bool = True
    """Whether there are networks that could judge labels."""


def audit_study(folder: Path, model: str | None, features: str | None = None) -> Audit:
    """Read what `subset-extract` and `evaluate` found, and find the twins that a network's features propose.

    Args:
        folder: The study.
        model: The network that judges the labels; by default the mean of all.
        features: The network whose features are used; by default none is.

    Raises:
        UserError: The data are not there, or the network that is to judge was not evaluated.
    """
    subset = folder / "data" / "subset"
    data = read_description(subset)
    pairs = read_twins(folder / "data" / "twins")
    remarks = read_remarks(folder / "data" / "twins")
    splits = {name: read_split(subset / name) for name in data.sizes if name != "unlabelled"}
    files = {
        file.stem.removeprefix("probabilities_"): file
        for file in sorted((folder / "metrics" / "evaluation").glob("probabilities_*.npy"))
    }
    if model is not None and model not in files:
        raise UserError(f"{folder} has no probabilities of a network {model!r}; make them with `dvc repro evaluate`.")
    judges = [model] if model else list(files)
    probabilities = [np.load(files[name], allow_pickle=False) for name in judges]
    if any(each.shape != (data.sizes["test"], len(data.classes)) for each in probabilities):
        raise UserError(
            f"The probabilities in {folder} are of other images; make them again with `dvc repro evaluate`."
        )
    suspects = {}
    if probabilities:
        suspects["test"] = suspect_labels(mean_probabilities(probabilities), splits["test"].labels)
    numbers = {name: read_numbers(folder / "data" / "twins", name) for name in splits}
    if features:
        pairs += _by_features(folder / "models" / features, splits, numbers, pairs)
    judged_by = {"test": judges} if judges else {}
    return Audit(data.classes, splits, numbers, pairs, remarks, suspects, judged_by, _files(folder, data, numbers))


def _files(study: Path, data: Description, numbers: dict[str, NDArray[np.int64]]) -> dict[str, list[str]] | None:
    """Return the names of each split's files in a study of one's own pictures; None in any other."""
    if data.source != "image_folder":
        return None
    names = file_names(study / "data" / "raw", read_params("seed", file=study / "params.yaml").seed)
    if data.validation_from:
        names["validation"] = names[data.validation_from]  # counted as in the split that they were taken from
    return {split: [names[split][number] for number in some] for split, some in numbers.items()}


def judge_training_labels(audit: Audit, folder: Path, model: str, folds: int) -> Audit:
    """Return the audit with the suspect labels among the training images, by cross-validation.

    Args:
        audit: Of the study.
        folder: The study.
        model: The network of the study that is trained anew for each fold.
        folds: Their number.

    Raises:
        UserError: The study has no such network, or a class has fewer training images than there are folds.
    """
    from tinyres.cli.cross_validation import cross_validated_probabilities  # as above

    with chdir(folder):
        probabilities = cross_validated_probabilities(model, folds, audit.pairs)
    suspects = suspect_labels(probabilities, audit.splits["train"].labels)
    return replace(audit, suspects=audit.suspects | {"train": suspects}, judges=audit.judges | {"train": [model]})


def _by_features(
    model: Path, splits: dict[str, Split], numbers: dict[str, NDArray[np.int64]], known: list[TwinPair]
) -> list[TwinPair]:
    """Return the twins that a network's features propose and that are not known yet."""
    from tinyres.cli.feature_twins import find_feature_twins  # torch takes longer to load than all the rest

    there = {(pair.splits, pair.rows) for pair in known}
    found = []
    for each in find_feature_twins(model, splits):
        if (each.splits, each.rows) not in there:
            first, second = (int(numbers[split][row]) for split, row in zip(each.splits, each.rows, strict=True))
            found.append(TwinPair(each.splits, (first, second), each.rows, each.kind, each.score, each.labels_agree))
    return found


def audit_pictures(folder: Path) -> Audit:
    """Find the twins in a folder of pictures; without `train/` and `test/` all of them are `train`.

    Images that cannot be read are left out and named in the remarks.

    Raises:
        UserError: The folder cannot be used, or none of its images can be read.
    """
    layout = find_images(folder)
    classes = sorted({name for split in layout.images.values() for name in split})
    splits, files, unreadable = {}, {}, {}
    for split, by_class in layout.images.items():
        images, labels, names = [], [], []
        for class_name, some in by_class.items():
            for name in some:
                try:
                    images.append(read_photograph(folder / name, PICTURE).pixels)
                except UserError as error:
                    unreadable[name] = str(error)
                    continue
                labels.append(classes.index(class_name))
                names.append(name)
        pixels = np.stack(images) if images else np.empty((0, *PICTURE, 3), np.uint8)
        splits[split or "train"] = Split(pixels, np.array(labels, np.int64))
        files[split or "train"] = names
    total = sum(map(len, files.values())) + len(unreadable)
    if len(unreadable) == total:
        last = list(unreadable.values())[-1]
        raise UserError(f"None of the {total:,} images in {folder} can be read; the last: {last}")
    remarks = not_searched(splits)
    if unreadable:
        remarks.append(f"{len(unreadable):,} of {total:,} images in {folder} were not compared:")
        remarks += list(unreadable.values())[:SHOWN]
    pairs = [
        TwinPair(each.splits, each.rows, each.rows, each.kind, each.score, each.labels_agree)
        for each in find_twins(splits)
    ]
    numbers = {name: np.arange(len(split)) for name, split in splits.items()}
    return Audit(classes, splits, numbers, pairs, remarks, {}, {}, files, of_study=False)


def as_json(audit: Audit) -> dict[str, Any]:
    """Return the summary: counts, remarks and, where networks judged them, all suspect labels."""
    content: dict[str, Any] = {
        "images": {name: len(split) for name, split in audit.splits.items()},
        "twins": _counts(audit.pairs),
        "remarks": audit.remarks,
    }
    if "test" in audit.splits:
        twins = TestTwins.of(audit.pairs, len(audit.splits["test"]))
        content["test_images_with_a_twin_in_training"] = int(twins.trained_on.sum())
        content["test_images_with_a_contradicting_twin"] = int(twins.contradicted.sum())
    if audit.suspects:
        suspects = [row for split in audit.suspects for row in _suspects(audit, split)]
        content |= {"judges": audit.judges, "suspect_labels": suspects}
    return content


def as_text(audit: Audit) -> str:
    """Return the summary for a terminal."""
    parts = []
    counts = _counts(audit.pairs)
    header = ["first in", "second in", "kind", "pairs", "with two labels"]
    parts.append(tabulate([list(row.values()) for row in counts], header) if counts else "No twins were found.")
    if counts:
        pairs = [
            [*(_name(audit, *place) for place in zip(pair.splits, pair.rows, strict=True)), pair.kind,
             f"{pair.score:.2f}", "" if pair.labels_agree else "two labels"]
            for pair in twins_to_show(audit.pairs)[:SHOWN]
        ]  # fmt: skip
        parts.append(tabulate(pairs, ["first", "second", "kind", "score", ""], disable_numparse=True))
    if "test" not in audit.suspects and audit.of_study:
        parts.append("Test labels are judged once networks were evaluated (`dvc repro evaluate`).")
    for split in audit.suspects:
        named = _suspects(audit, split)
        rows = [
            [f"{split} {row.get('file', row['number'])}", row["given"], row["likely"], f"{row['margin']:.2f}"]
            for row in named
        ]
        labels = "label" if len(named) == 1 else "labels"
        judged = f"{len(named):,} suspect {labels} among {len(audit.splits[split]):,} {split} images"
        parts.append(f"{judged}, by {', '.join(audit.judges[split])}:")
        parts.append(tabulate(rows[:SHOWN], ["image", "given", "likely", "margin"], disable_numparse=True))
    if audit.remarks:
        parts.append("\n".join(audit.remarks))
    return "\n\n".join(parts) + "\n"


def write_pairs(file: Path, audit: Audit) -> None:
    """Write every pair as CSV, with the images' numbers in the source's own order and, of own pictures, their files."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS + (["first_file", "second_file"] if audit.files else []))
    for pair in audit.pairs:
        first, second = pair.numbers
        agree = str(pair.labels_agree).lower()
        files = (
            [audit.files[split][row] for split, row in zip(pair.splits, pair.rows, strict=True)] if audit.files else []
        )
        writer.writerow([pair.splits[0], first, pair.splits[1], second, pair.kind, f"{pair.score:.4f}", agree, *files])
    write_text(file, text.getvalue())


def write_suspects(file: Path, audit: Audit) -> None:
    """Write every suspect label as CSV, the most suspect first; images are named as by `write_pairs`.

    Raises:
        UserError: No network has judged the labels.
    """
    if not audit.suspects:
        raise UserError("No labels were judged; evaluate the study's networks with `dvc repro evaluate`.")
    text = io.StringIO()
    columns = ["split", "number", "given", "likely", "margin"] + (["file"] if audit.files else [])
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for split in audit.suspects:
        writer.writerows(row | {"margin": f"{row['margin']:.4f}"} for row in _suspects(audit, split))
    write_text(file, text.getvalue())


def write_plots(folder: Path, audit: Audit) -> None:
    """Plot twins and suspect labels, where there are any."""
    plot_twins(folder / "twins.png", twins_to_show(audit.pairs), audit.splits, audit.classes)
    for split, suspects in audit.suspects.items():
        file = folder / ("suspect_labels.png" if split == "test" else f"suspect_labels_{split}.png")
        plot_suspects(file, suspects, split, audit.splits[split], audit.numbers[split], audit.classes)


def _counts(pairs: list[TwinPair]) -> list[dict[str, Any]]:
    found = Counter((*pair.splits, pair.kind) for pair in pairs)
    differing = Counter((*pair.splits, pair.kind) for pair in pairs if not pair.labels_agree)
    return [
        {"first_split": key[0], "second_split": key[1], "kind": key[2], "pairs": count, "labels_differ": differing[key]}
        for key, count in sorted(found.items())
    ]


def _suspects(audit: Audit, split: str) -> list[dict[str, Any]]:
    suspects, labels, numbers = audit.suspects[split], audit.splits[split].labels, audit.numbers[split]
    return [
        {
            "split": split,
            "number": int(numbers[row]),
            "given": audit.classes[labels[row]],
            "likely": audit.classes[likely],
            "margin": float(margin),
        }
        | ({"file": audit.files[split][row]} if audit.files else {})
        for row, likely, margin in zip(suspects.rows, suspects.likely, suspects.margin, strict=True)
    ]


def _name(audit: Audit, split: str, row: int) -> str:
    if audit.files is None:
        return f"{split} {audit.numbers[split][row]} ({audit.classes[audit.splits[split].labels[row]]})"
    return f"{split} {audit.files[split][row]}" if audit.of_study else audit.files[split][row]
