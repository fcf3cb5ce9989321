"""Can the test set be trusted? Its twins and its probably wrong labels, and what the networks score without them."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tinyres.common.errors import UserError
from tinyres.evaluation.uncertainty import compare

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TwinPair:
    """A pair of images that are the same photograph, as `data/twins` names it."""

    splits: tuple[str, str]
    numbers: tuple[int, int]
    """In the source's own order, counted from 0."""
    rows: tuple[int, int]
    """In the splits of the subset, counted from 0."""
    kind: str
    """`exact`, `near` or `features`."""
    score: float
    labels_agree: bool


def read_twins(folder: Path | str) -> list[TwinPair]:
    """Read the pairs that `subset-extract` wrote.

    Raises:
        UserError: The folder is missing or damaged.
    """
    file = Path(folder) / "pairs.csv"
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return [
                TwinPair(
                    splits=(pair["first_split"], pair["second_split"]),
                    numbers=(int(pair["first"]), int(pair["second"])),
                    rows=(int(pair["first_row"]), int(pair["second_row"])),
                    kind=pair["kind"],
                    score=float(pair["score"]),
                    labels_agree={"true": True, "false": False}[pair["labels_agree"]],
                )
                for pair in csv.DictReader(stream)
            ]
    except FileNotFoundError:
        raise UserError(f"{file} is missing; make it with `dvc repro subset-extract`.") from None
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}); make it again with `dvc repro -f subset-extract`.") from None


def read_numbers(folder: Path | str, split: str) -> NDArray[np.int64]:
    """Read the numbers that a split's images have in the source's own order, counted from 0 (N).

    Raises:
        UserError: They are missing or damaged.
    """
    file = Path(folder) / f"{split}.npy"
    try:
        numbers: NDArray[np.int64] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{file} is missing or damaged; make it with `dvc repro -f subset-extract`.") from None
    return numbers


def read_remarks(folder: Path | str) -> list[str]:
    """Read the sentences in which `subset-extract` says for which twins it did not look.

    Raises:
        UserError: They are missing or damaged.
    """
    file = Path(folder) / "remarks.json"
    try:
        remarks: list[str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{file} is missing or damaged; make it with `dvc repro -f subset-extract`.") from None
    return remarks


@dataclass(frozen=True)
class TestTwins:
    """What twins mean for the N test images."""

    __test__ = False  # pytest would take it for a test

    trained_on: Flags
    """Whether an image has a twin among the training images (N)."""
    contradicted: Flags
    """Whether an image has a twin with another label, in training or in the test: nobody can get both right (N)."""

    @classmethod
    def of(cls, pairs: Sequence[TwinPair], count: int) -> Self:
        """Return what the pairs mean for `count` test images."""
        trained_on, contradicted = np.zeros(count, bool), np.zeros(count, bool)
        for pair in pairs:
            for row in (row for split, row in zip(pair.splits, pair.rows, strict=True) if split == "test"):
                trained_on[row] |= "train" in pair.splits
                contradicted[row] |= not pair.labels_agree and "validation" not in pair.splits
        return cls(trained_on, contradicted)


def twins_to_show(pairs: Sequence[TwinPair]) -> list[TwinPair]:
    """Return the pairs with two labels first, then those of test images, and the most alike of each first."""
    return sorted(pairs, key=lambda pair: (pair.labels_agree, "test" not in pair.splits, -pair.score))


def mean_probabilities(networks: Sequence[NDArray[np.float16]]) -> NDArray[np.float64]:
    """Return the mean of several networks' probabilities (N×K), as they are on disk."""
    return np.mean([each.astype(np.float64) for each in networks], axis=0)


@dataclass(frozen=True)
class Suspects:
    """Images whose label is probably wrong, the most suspect first (M)."""

    rows: NDArray[np.intp]
    """Their numbers among the images."""
    likely: NDArray[np.intp]
    """The class that each seems to be."""
    margin: NDArray[np.float64]
    """The probability of that class minus that of the given label; may be below 0 if classes differ in confidence."""


def suspect_labels(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Suspects:
    """Find probably wrong labels by confident learning.

    An image counts for a class if its probability there is at least the mean over the images that carry that label. If
    the most probable of such classes is not the image's own label, the label is suspect.

    C. G. Northcutt, L. Jiang and I. L. Chuang, 2021, section 3.1 (equations 1 and 2), doi:10.1613/jair.1.12125; ranked
    by normalised margin, section 3.3.

    Args:
        probabilities: Of networks that were not trained on these images (N×K).
        labels: The given labels (N).
    """
    probabilities = probabilities.astype(np.float64)
    classes = probabilities.shape[1]
    thresholds = np.full(classes, np.inf)  # a class without images cannot be anybody's
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    likely = confident.argmax(axis=1)
    rows = np.flatnonzero((confident.max(axis=1) >= 0) & (likely != labels))
    margin = probabilities[rows, likely[rows]] - probabilities[rows, labels[rows]]
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows[order], likely[rows][order], margin[order])


def doubts_in_words(twins: TestTwins, suspects: Suspects, remarks: Sequence[str]) -> str:
    """Return how many test images have a twin in training or a suspect label, followed by the remarks on the search."""
    count = len(twins.trained_on)
    doubles, labels = int(twins.trained_on.sum()), len(suspects.rows)
    found = (
        f"Of the {count:,} test images, {doubles:,} ({100 * doubles / count:.1f} %) have a twin among the training "
        f"images, and {labels:,} ({100 * labels / count:.1f} %) have a label that the networks' answers make suspect. "
        "The weaker the networks, the more of the suspect labels are right."
    )
    return " ".join([found, *remarks])


def scores_without(
    correct: Mapping[str, Flags], twins: TestTwins, suspects: Suspects
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Return each network's metrics on what remains of the test images, and how the second of two differs there.

    A metric is left out if no image remains for it.

    Args:
        correct: Whether each network classifies each test image correctly (N), by model.
        twins: The twins of the test images.
        suspects: The test images with suspect labels.
    """
    labelled = np.ones(len(twins.trained_on), bool)
    labelled[suspects.rows] = False
    remaining = {"twins": ~twins.trained_on, "suspects": labelled, "both": ~twins.trained_on & labelled}
    figures: dict[str, dict[str, float]] = {}
    for name, each in correct.items():
        scores = {what: float(each[kept].mean()) for what, kept in remaining.items() if kept.any()}
        figures[name] = {f"test_accuracy_without_{what}": score for what, score in scores.items()}
        figures[name]["test_errors_contradicted"] = float((~each & twins.contradicted).sum())
    kept = remaining["both"]
    if len(correct) != 2 or not kept.any():
        return figures, {}
    first, second = (each[kept] for each in correct.values())
    there = compare(first, second)
    return figures, {"without_both_low": there.test_accuracy_low, "without_both_high": there.test_accuracy_high}
