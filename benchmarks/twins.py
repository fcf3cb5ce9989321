"""Near twins of CIFAR-100 against people's judgements: `python -m benchmarks.twins LIST --features NAME`.

It runs in the folder of a study of all of CIFAR-100, of which NAME is the network whose features propose twins, too.

LIST is `duplicates_cifar100.csv`, or rows of it, from the repository cvjena/cifair (Barz and Denzler, 2020,
arXiv:1902.00423); it stays outside of this project. Test images with an even number served to design the search, and
those whose number is a multiple of four to choose the thresholds.

The list does not hold every pair that is called. `twins_by_eye.csv` has what was seen of 100 of the others in each
search, drawn by a fixed seed: whether they are the same photograph or a very similar one. The precision follows from
both. The figures are written to `twins.json`, and a table for `docs/trust.md` to `twins.md`.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from tinyres.cli.feature_twins import FEATURES_THRESHOLD, feature_descriptors
from tinyres.cli.serving import ServedModel
from tinyres.common.atomic import write_json, write_text
from tinyres.common.dataset import read_split
from tinyres.evaluation.trust import read_numbers, read_twins
from tinyres.sources.twins import FEATURES, THRESHOLD, Twin, find_twins, near_twins

FOLDER = Path(__file__).parent
NEAR = 1  # the largest judgement that is the same photograph: 0 exact, 1 near, 2 another photograph
PARTS = {"multiples of four": 0, "other even numbers": 2}  # the test image's number modulo four
THRESHOLDS = (0.8, 0.82, 0.84, 0.86, 0.88, 0.89, 0.9, 0.92, 0.94)
LOOKED_AT = 100  # pairs of each search

Pair = tuple[int, int]
"""Of a test and a training image, their numbers in the source."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twins", description=__doc__)
    parser.add_argument("list", type=Path, metavar="LIST")
    parser.add_argument("--features", metavar="NAME", required=True)
    arguments = parser.parse_args()
    judged = read_judgements(arguments.list)
    splits = {name: read_split(f"data/subset/{name}") for name in ("train", "test")}
    described = feature_descriptors(ServedModel(Path("models") / arguments.features), splits)
    called = {
        (each.numbers[1], each.numbers[0]) for each in read_twins("data/twins") if each.splits == ("train", "test")
    }
    both = called | scores(near_twins(splits, described, FEATURES, FEATURES_THRESHOLD)).keys()
    least = min(THRESHOLDS)
    pixels = scores(find_twins(splits, least))
    features = scores(near_twins(splits, described, FEATURES, least))
    results = {
        "pixels": {
            "threshold": THRESHOLD,
            **found(judged, called),
            "precision": precision(judged, called),
            "by threshold": {each: found(judged, above(pixels, each)) for each in THRESHOLDS},
        },
        "pixels and features": {
            "threshold": FEATURES_THRESHOLD,
            **found(judged, both),
            "precision": precision(judged, both),
            "by threshold": {each: found(judged, called | above(features, each)) for each in THRESHOLDS},
        },
    }
    write_json(FOLDER / "twins.json", results)
    write_text(FOLDER / "twins.md", table(results))


def read_judgements(file: Path) -> dict[Pair, int]:
    """Return the judgement of each pair."""
    with file.open(encoding="utf-8", newline="") as stream:
        return {(int(each["TestID"]), int(each["TrainID"])): int(each["Judgment"]) for each in csv.DictReader(stream)}


def scores(twins: list[Twin]) -> dict[Pair, float]:
    """Return the scores of the pairs across training and test."""
    numbers = {name: read_numbers("data/twins", name) for name in ("train", "test")}
    return {
        (int(numbers["test"][each.rows[1]]), int(numbers["train"][each.rows[0]])): each.score
        for each in twins
        if each.splits == ("train", "test")
    }


def above(scored: Mapping[Pair, float], threshold: float) -> set[Pair]:
    return {pair for pair, score in scored.items() if score >= threshold}


def found(judged: Mapping[Pair, int], called: set[Pair]) -> dict[str, dict[str, float]]:
    """Return by part how many of the pairs judged the same are called.

    The share listed is a lower bound of the precision: people judged each image's nearest neighbour alone.
    """
    figures = {}
    for name, remainder in PARTS.items():
        same = {pair for pair, judgement in judged.items() if judgement <= NEAR and pair[0] % 4 == remainder}
        here = {pair for pair in called if pair[0] % 4 == remainder}
        figures[name] = {
            "judged the same": len(same),
            "recall": len(same & here) / len(same),
            "called": len(here),
            "listed": len(here & judged.keys()) / max(len(here), 1),
        }
    return figures


def precision(judged: Mapping[Pair, int], called: set[Pair]) -> dict[str, float]:
    """Return the share of the pairs called that are listed or look the same or very similar; even test numbers only."""
    here = {pair for pair in called if pair[0] % 2 == 0}
    unlisted = sorted(here - judged.keys())
    drawn = np.random.default_rng(0).choice(len(unlisted), min(LOOKED_AT, len(unlisted)), replace=False)
    with (FOLDER / "twins_by_eye.csv").open(encoding="utf-8", newline="") as stream:
        seen = {(int(each["test"]), int(each["train"])): each["same"] == "true" for each in csv.DictReader(stream)}
    if unseen := [unlisted[row] for row in sorted(drawn) if unlisted[row] not in seen]:
        raise SystemExit(f"error: twins_by_eye.csv lacks {len(unseen)} pairs that were drawn; look at {unseen}.")
    same = [seen[unlisted[row]] for row in drawn]
    listed = len(here) - len(unlisted)
    return {
        "called": len(here),
        "listed": listed,
        "looked at": len(same),
        "same": sum(same),
        "precision": (listed + len(unlisted) * float(np.mean(same))) / len(here),
    }


def table(results: Mapping[str, Any]) -> str:
    """Return a row for each search at its threshold."""
    recall = [f"recall, {part}" for part in PARTS]
    header = ["search", "threshold", *recall, "precision", "called", "listed", "looked at", "the same"]
    rows = []
    for search, figures in results.items():
        recalls = [f"{100 * figures[part]['recall']:.1f} %" for part in PARTS]
        seen = figures["precision"]
        counts = [str(seen[name]) for name in ("called", "listed", "looked at", "same")]
        rows.append([search, f"{figures['threshold']}", *recalls, f"{100 * seen['precision']:.1f} %", *counts])
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True) + "\n"


if __name__ == "__main__":
    main()
