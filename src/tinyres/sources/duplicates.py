"""Images that are the same to the last pixel: how many, in which splits, and whether their labels agree."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Images
from tinyres.sources.folder_layout import first
from tinyres.sources.source import Source

Place = tuple[str, int]
"""Split and row of an image in its source."""


@dataclass(frozen=True)
class Duplicates:
    """Pairs of equal images that lie in one split or in two; of three equal images, there are three pairs."""

    splits: tuple[str, str]
    agreeing: int
    """Pairs whose labels are the same."""
    contradicting: int
    """Pairs whose labels differ: at most one of the two can be right."""
    examples: list[tuple[Place, Place]]
    """A pair of each group of equal images, those with different labels first."""

    @property
    def pairs(self) -> int:
        """All of them."""
        return self.agreeing + self.contradicting


def find_duplicates(source: Source, rows: dict[str, NDArray[np.intp]]) -> list[Duplicates]:
    """Pairs of equal images among the given rows of each split: within the splits, then across them."""
    groups: dict[bytes, list[Place]] = {}
    for split, some in rows.items():
        for row, digest in zip(some, _digests(source.splits[split].images, some), strict=True):
            groups.setdefault(digest, []).append((split, int(row)))
    repeated = [places for places in groups.values() if len(places) > 1]
    within = [(split, split) for split in rows]
    found = [_pairs(source, repeated, splits) for splits in [*within, *combinations(rows, 2)]]
    return [each for each in found if each.pairs]


def _digests(images: Images, rows: NDArray[np.intp]) -> Iterator[bytes]:
    for row in rows:
        yield hashlib.blake2b(images[row].tobytes(), digest_size=16).digest()


def _pairs(source: Source, groups: list[list[Place]], splits: tuple[str, str]) -> Duplicates:
    """Pairs of an image in one split and one in the other, counted by labels, since a group may be large."""
    together = agreeing = 0
    examples = []
    for group in groups:
        here, there = ([place for place in group if place[0] == split] for split in splits)
        ours, theirs = (Counter(_label(source, place) for place in places) for places in (here, there))
        if splits[0] == splits[1]:
            together += comb(len(here), 2)
            agreeing += sum(comb(count, 2) for count in ours.values())
            there = there[1:]
        else:
            together += len(here) * len(there)
            agreeing += sum(count * theirs[label] for label, count in ours.items())
        if here and there:
            label = _label(source, here[0])
            examples.append((here[0], max(there, key=lambda place: _label(source, place) != label)))
    examples.sort(key=lambda pair: _label(source, pair[0]) == _label(source, pair[1]))
    return Duplicates(splits, agreeing, together - agreeing, examples)


def _label(source: Source, place: Place) -> int:
    split, row = place
    return int(source.splits[split].labels[row])


def sentence_on(duplicates: Duplicates, source: Source) -> str:
    """How many pairs there are, whether their labels agree, and the first few by name."""
    one, other = duplicates.splits
    where = f"within {one}" if one == other else f"across {one} and {other}"
    agreeing, contradicting = (
        f"{duplicates.agreeing:,} with the same label",
        f"{duplicates.contradicting:,} with two labels",
    )
    if one != other:
        agreeing += ", which makes the test easier than it looks"
    counted = [(agreeing, duplicates.agreeing), (contradicting, duplicates.contradicting)]
    examples = [" = ".join(_name(source, place) for place in pair) for pair in duplicates.examples]
    return (
        f"note: {duplicates.pairs:,} pair{'s' * (duplicates.pairs > 1)} of equal images {where}, "
        f"{', '.join(words for words, count in counted if count)}: {first(examples)}."
    )


def _name(source: Source, place: Place) -> str:
    split, row = place
    if source.files:
        return source.files[split][row]
    return f"{split} {row} ({source.classes[_label(source, place)]})"
