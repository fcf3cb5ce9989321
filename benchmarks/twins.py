"""Near twins of CIFAR-100 against people's judgements: `python -m benchmarks.twins LIST`, in the study's folder.

LIST is `duplicates_cifar100.csv`, or rows of it, from the repository cvjena/cifair (Barz and Denzler, 2020,
arXiv:1902.00423); it stays outside of this project. `--pairs FILE` takes the pairs that `tinyres audit --pairs` wrote
after a search by a network's features (`--features`), and adds their figures. Test images with an even number served
to design the search, and those whose number is a multiple of four to choose the threshold.

The list does not hold every pair that is called. `twins_by_eye.csv` has what was seen of 100 of the others, drawn by a
fixed seed: whether they are the same photograph or a very similar one. The precision follows from both.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from tinyres.common.atomic import write_json
from tinyres.evaluation.trust import read_twins
from tinyres.sources.twins import THRESHOLD

RESULTS = Path(__file__).parent / "twins.json"
NEAR = 1  # the largest judgement that is the same photograph: 0 exact, 1 near, 2 another photograph
PARTS = {"multiples of four": 0, "other even numbers": 2}  # the test image's number modulo four
THRESHOLDS = (0.86, 0.88, THRESHOLD, 0.9, 0.92, 0.94)
BY_EYE = Path(__file__).parent / "twins_by_eye.csv"
LOOKED_AT = 100  # pairs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twins", description=__doc__)
    parser.add_argument("list", type=Path, metavar="LIST")
    parser.add_argument("--pairs", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    judged = read_judgements(arguments.list)
    pixels = {
        (pair.numbers[1], pair.numbers[0]): pair.score
        for pair in read_twins("data/twins")
        if pair.splits == ("train", "test")
    }
    searches = {"pixels": pixels}
    if arguments.pairs:
        searches["pixels and features"] = pixels | read_pairs(arguments.pairs)
    results = {what: figures(judged, called) for what, called in searches.items()}
    write_json(RESULTS, results | {"precision of pixels": precision(judged, pixels)})
    print(RESULTS.read_text(encoding="utf-8"), end="")


def read_judgements(file: Path) -> dict[tuple[int, int], int]:
    """Return the judgement of each pair of a test and a training image."""
    with file.open(encoding="utf-8", newline="") as stream:
        return {(int(each["TestID"]), int(each["TrainID"])): int(each["Judgment"]) for each in csv.DictReader(stream)}


def read_pairs(file: Path) -> dict[tuple[int, int], float]:
    """Return the score of each pair of a test and a training image."""
    with file.open(encoding="utf-8", newline="") as stream:
        return {
            (int(each["second"]), int(each["first"])): float(each["score"])
            for each in csv.DictReader(stream)
            if (each["first_split"], each["second_split"]) == ("train", "test")
        }


def figures(
    judged: dict[tuple[int, int], int], called: dict[tuple[int, int], float]
) -> dict[str, list[dict[str, float]]]:
    """Return a row for each threshold, by part."""
    return {name: [row(judged, called, of, each) for each in THRESHOLDS] for name, of in PARTS.items()}


def row(
    judged: dict[tuple[int, int], int], called: dict[tuple[int, int], float], remainder: int, threshold: float
) -> dict[str, float]:
    """Return what is found at a threshold, for the test images with this remainder modulo four.

    The share listed is a lower bound of the precision: people judged each image's nearest neighbour alone.
    """
    same = {pair for pair, judgement in judged.items() if judgement <= NEAR and pair[0] % 4 == remainder}
    here = {pair for pair, score in called.items() if score >= threshold and pair[0] % 4 == remainder}
    return {
        "threshold": threshold,
        "judged": len(same),
        "recall": len(same & here) / len(same),
        "called": len(here),
        "listed": len(here & judged.keys()) / max(len(here), 1),
    }


def precision(judged: dict[tuple[int, int], int], called: dict[tuple[int, int], float]) -> dict[str, float]:
    """Return the share of the pairs called that are listed or look the same or very similar; even test numbers only."""
    here = {pair for pair, score in called.items() if score >= THRESHOLD and pair[0] % 2 == 0}
    unlisted = sorted(here - judged.keys())
    drawn = np.random.default_rng(0).choice(len(unlisted), min(LOOKED_AT, len(unlisted)), replace=False)
    with BY_EYE.open(encoding="utf-8", newline="") as stream:
        seen = {(int(each["test"]), int(each["train"])): each["same"] == "true" for each in csv.DictReader(stream)}
    if unseen := [unlisted[row] for row in sorted(drawn) if unlisted[row] not in seen]:
        raise SystemExit(f"error: {BY_EYE.name} lacks pairs that were drawn; look at {unseen}.")
    same = [seen[unlisted[row]] for row in drawn]
    listed = len(here) - len(unlisted)
    return {
        "threshold": THRESHOLD,
        "called": len(here),
        "listed": listed,
        "looked at": len(same),
        "same": sum(same),
        "precision": (listed + len(unlisted) * float(np.mean(same))) / len(here),
    }


if __name__ == "__main__":
    main()
