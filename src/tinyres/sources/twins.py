"""Twins: pairs of images that are the same photograph, to the last pixel or otherwise processed.

<folder>/pairs.csv     the pairs, with the images' numbers in the source and their rows in the subset
<folder>/<split>.npy   of each split's images, the numbers in the source (int64)
<folder>/remarks.json  sentences on what was not searched
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, combinations_with_replacement
from os import cpu_count
from pathlib import Path

import numpy as np

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Images, Split, save_array
from tinyres.sources.likeness import Floats, descriptors, mirrored, similarity, thumbnails
from tinyres.sources.nearest import Rows, nearest_pairs, unit

THRESHOLD = 0.89  # of the score of near twins; chosen on CIFAR-100 by benchmarks/twins.py
NEAREST = 5  # images that are looked at for each image of the smaller split, in either orientation
ALIKE = 0.6  # the least product of descriptors for which the pixels are compared
AXES = 128  # of the descriptors' 512, those along which they vary most
SAMPLE = 20_000  # images from whose descriptors the axes are found
TILE = 512  # images or pairs at a time
SEARCHED_WITHIN = 100_000  # images: beyond, near twins inside a split would take hours (the time grows as the square)
SMALLEST = 16  # pixels: in smaller images two of the same kind cannot be told from one twice
GROUP = 20  # equal images of which every pair is listed; of more, each is paired with the first
NEAR, EXACT, FEATURES = "near", "exact", "features"
COLUMNS = ["first_split", "first", "second_split", "second", "kind", "score", "labels_agree"]
ROWS = ["first_row", "second_row"]


@dataclass(frozen=True)
class Twin:
    """A pair of images that are the same photograph."""

    splits: tuple[str, str]
    rows: tuple[int, int]
    """In the splits, counted from 0."""
    kind: str
    """`exact`: all pixels are equal; `near`, proposed by outlines; or `features`, proposed by a network's features."""
    score: float
    """How alike the pixels are once they are aligned, at most 1."""
    labels_agree: bool


def find_twins(splits: Mapping[str, Split], least: float = THRESHOLD) -> list[Twin]:
    """Find the twins inside each split and across each two of them: exact ones first, then near ones by score.

    Args:
        splits: The images.
        least: The score from which on a pair is called near twins.
    """
    exact = list(_exact_twins(splits))
    if not splits or min(next(iter(splits.values())).images.shape[1:3]) < SMALLEST:
        return exact
    return exact + near_twins(splits, _descriptors_of(splits), NEAR, least)


def not_searched(splits: Mapping[str, Split]) -> list[str]:
    """Return a sentence on everything that `find_twins` leaves out, because it would mean nothing or never end."""
    said = []
    if splits and min(next(iter(splits.values())).images.shape[1:3]) < SMALLEST:
        said.append(f"Images of fewer than {SMALLEST} pixels a side were compared for equality alone.")
    for name, split in splits.items():
        if len(split) > SEARCHED_WITHIN:
            said.append(f"Near twins inside {name} were not searched: it has more than {SEARCHED_WITHIN:,} images.")
    largest = max((len(group) for group in _equal_images(splits)), default=0)
    if largest > GROUP:
        said.append(
            f"Of more than {GROUP} equal images (there are up to {largest:,}), each is paired with the first alone."
        )
    return said


def _equal_images(splits: Mapping[str, Split]) -> list[list[tuple[str, int]]]:
    """Return the places of images of which there are several."""
    groups: dict[bytes, list[tuple[str, int]]] = {}
    for name, split in splits.items():
        for row, image in enumerate(split.images):
            groups.setdefault(blake2b(image.tobytes(), digest_size=16).digest(), []).append((name, row))
    return [places for places in groups.values() if len(places) > 1]


def _exact_twins(splits: Mapping[str, Split]) -> Iterator[Twin]:
    for places in _equal_images(splits):
        pairs = combinations(places, 2) if len(places) <= GROUP else ((places[0], other) for other in places[1:])
        for (first, row), (second, other) in pairs:
            agree = bool(splits[first].labels[row] == splits[second].labels[other])
            yield Twin((first, second), (row, other), EXACT, 1.0, agree)


def _equal(splits: Mapping[str, Split], twin: Twin) -> bool:
    first, second = (splits[split].images[row] for split, row in zip(twin.splits, twin.rows, strict=True))
    return np.array_equal(first, second)


def near_twins(
    splits: Mapping[str, Split], described: Mapping[str, tuple[Floats, Floats]], kind: str, least: float
) -> list[Twin]:
    """Find the pairs whose pixels are alike, among those that have similar descriptors; the most alike first.

    Args:
        splits: The images.
        described: Of each split, unit vectors (N×D) that are similar for similar images: of the images, and of their
            mirrored copies.
        kind: `near` or `features`, what the pairs are called, by what describes them.
        least: The score from which on a pair is called twins.
    """
    found = [each for each in _near_twins(splits, described, kind, least) if not _equal(splits, each)]
    return sorted(found, key=lambda each: (-each.score, each.splits, each.rows))


def _near_twins(
    splits: Mapping[str, Split], described: Mapping[str, tuple[Floats, Floats]], kind: str, least: float
) -> Iterator[Twin]:
    splits = {name: split for name, split in splits.items() if len(split)}
    for first, second in combinations_with_replacement(splits, 2):
        if first == second and len(splits[first]) > SEARCHED_WITHIN:
            continue
        asking, asked = sorted((first, second), key=lambda name: len(splits[name]))
        one, other = (splits[asking], *described[asking]), (splits[asked], described[asked][0])
        found = _near_pairs(one, other, first == second, least)
        for (row, partner), score in found.items():
            if score >= least:
                rows = (row, partner) if asking == first else (partner, row)
                agree = bool(splits[asking].labels[row] == splits[asked].labels[partner])
                yield Twin((first, second), rows, kind, round(score, 4), agree)


def _near_pairs(
    one: tuple[Split, Floats, Floats], other: tuple[Split, Floats], within: bool, least: float
) -> dict[tuple[int, int], float]:
    """Return the scores of the pairs of rows whose outlines are alike, in the better of both orientations."""
    (asking, straight, turned), (asked, vectors) = one, other
    scores: dict[tuple[int, int], float] = {}
    for queries, flipped in ((straight, False), (turned, True)):
        pairs = nearest_pairs(queries, vectors, within, NEAREST, ALIKE)

        def likeness(some: Rows, flipped: bool = flipped) -> list[float]:
            rows, others = some.T
            first, second = thumbnails(asking.images[rows]), thumbnails(asked.images[others])
            found: list[float] = similarity(first[:, :, ::-1] if flipped else first, second, least).tolist()
            return found

        tiles = [pairs[start : start + TILE] for start in range(0, len(pairs), TILE)]
        with ThreadPoolExecutor(cpu_count()) as threads:  # NumPy computes without the interpreter's lock
            for tile, found in zip(tiles, threads.map(likeness, tiles), strict=True):
                for (row, partner), score in zip(tile.tolist(), found, strict=True):
                    scores[row, partner] = max(score, scores.get((row, partner), -1))
    return scores


def _descriptors_of(splits: Mapping[str, Split]) -> dict[str, tuple[Floats, Floats]]:
    axes = _principal_axes([split.images for split in splits.values()])
    return {name: _described(split.images, axes) for name, split in splits.items()}


def _principal_axes(images: Sequence[Images]) -> Floats:
    """Return the axes (512×128) along which descriptors vary most, from an even sample of them."""
    step = max(1, -(-sum(len(each) for each in images) // SAMPLE))
    sample = descriptors(np.concatenate([each[::step] for each in images]))
    return np.linalg.eigh(sample.T @ sample)[1][:, -AXES:]


def _described(images: Images, axes: Floats) -> tuple[Floats, Floats]:
    """Return the descriptors (N×128) along the axes, of the images and of their mirrored copies."""
    straight, turned = (np.empty((len(images), AXES), np.float32) for _ in range(2))
    for start in range(0, len(images), TILE):
        rows = slice(start, start + TILE)
        vectors = descriptors(images[rows])
        straight[rows], turned[rows] = unit(vectors @ axes), unit(mirrored(vectors) @ axes)
    return straight, turned


# on disk


def write_twins(folder: Path | str, twins: Sequence[Twin], numbers: Mapping[str, Rows], remarks: Sequence[str]) -> None:
    """Write all files, whole or not at all.

    Args:
        folder: Where to.
        twins: The pairs.
        numbers: Of each split, the images' numbers in the source.
        remarks: Sentences on what was not searched.
    """
    with replacing(folder) as draft:
        draft.mkdir()
        with (draft / "pairs.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*COLUMNS, *ROWS])
            for each in twins:
                first, second = (int(numbers[split][row]) for split, row in zip(each.splits, each.rows, strict=True))
                agree = str(each.labels_agree).lower()
                score = f"{each.score:.4f}"
                writer.writerow([each.splits[0], first, each.splits[1], second, each.kind, score, agree, *each.rows])
        for split, some in numbers.items():
            save_array(draft / f"{split}.npy", np.asarray(some, np.int64))
        text = json.dumps(list(remarks), indent=2, ensure_ascii=False) + "\n"
        (draft / "remarks.json").write_text(text, encoding="utf-8")
