"""Equal images are told, with the splits that they lie in and whether their labels agree."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinyres.common.dataset import Split
from tinyres.params import Subset
from tinyres.sources.duplicates import find_duplicates, sentence_on
from tinyres.sources.source import Source
from tinyres.sources.subset import extract

Kinds = list[tuple[int, int]]
"""Of each image: which picture it is, and its label."""


def toy(train: Kinds, test: Kinds, files: dict[str, list[str]] | None = None) -> Source:
    """Images of one value each."""

    def split(kinds: Kinds) -> Split:
        values = np.array([picture for picture, _ in kinds], np.uint8).reshape(-1, 1, 1, 1)
        images = np.broadcast_to(values, (len(kinds), 2, 2, 3)).copy()
        return Split(images, np.array([label for _, label in kinds], np.int64))

    return Source("toy", ["otter", "seal"], {}, {"train": split(train), "test": split(test)}, files or {})


def found(of: Source) -> dict[tuple[str, str], tuple[int, int]]:
    """Agreeing and contradicting pairs by splits."""
    rows = {name: np.arange(len(split)) for name, split in of.splits.items()}
    return {each.splits: (each.agreeing, each.contradicting) for each in find_duplicates(of, rows)}


def told(of: Source) -> list[str]:
    rows = {name: np.arange(len(split)) for name, split in of.splits.items()}
    return [sentence_on(each, of) for each in find_duplicates(of, rows)]


def test_equal_images_in_one_split_and_across():
    assert found(toy(train=[(1, 0), (1, 0), (2, 0), (2, 1), (3, 0)], test=[(3, 1), (4, 0)])) == {
        ("train", "train"): (1, 1),
        ("train", "test"): (0, 1),
    }


@given(*[st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=12)] * 2)
def test_every_pair_is_counted_once(train, test):
    def pairs(some: list[Any]) -> tuple[int, int]:
        agree = [one[1] == other[1] for one, other in some if one[0] == other[0]]
        return sum(agree), len(agree) - sum(agree)

    expected = {
        ("train", "train"): pairs([(a, b) for row, a in enumerate(train) for b in train[:row]]),
        ("test", "test"): pairs([(a, b) for row, a in enumerate(test) for b in test[:row]]),
        ("train", "test"): pairs([(a, b) for a in train for b in test]),
    }
    assert found(toy(train, test)) == {splits: counts for splits, counts in expected.items() if any(counts)}


def test_the_labels_and_what_they_do_to_the_test_are_told():
    assert told(toy(train=[(1, 0), (2, 0), (9, 0), (9, 0)], test=[(1, 0), (2, 1)])) == [
        "note: 1 pair of equal images within train, 1 with the same label: train 2 (otter) = train 3 (otter).",
        "note: 2 pairs of equal images across train and test, 1 with the same label, which makes the test easier than "
        "it looks, 1 with two labels: train 1 (otter) = test 1 (seal), train 0 (otter) = test 0 (otter).",
    ]


def test_images_that_are_files_are_named_by_them():
    files = {"train": ["otter/1.png", "seal/1.png"], "test": ["seal/2.png"]}
    assert told(toy([(1, 0), (2, 1)], [(1, 1)], files)) == [
        "note: 1 pair of equal images across train and test, 1 with two labels: otter/1.png = seal/2.png."
    ]


def test_of_many_equal_images_three_pairs_are_shown():
    (sentence,) = told(toy([(picture, 0) for picture in range(5)], [(picture, 0) for picture in range(5)]))
    assert sentence.endswith(
        ": train 0 (otter) = test 0 (otter), train 1 (otter) = test 1 (otter), train 2 (otter) = test 2 (otter) "
        "and 2 more."
    )


def test_only_the_chosen_images_are_looked_at(capsys):
    images = toy(train=[(1, 0), (2, 0), (3, 1), (1, 1)], test=[(5, 0), (6, 1)])
    subset = Subset(classes="all", per_class=None, image_size=None, validation=0, validation_from="train", unlabelled=0)
    extract(images, subset, seed=0)
    assert capsys.readouterr().err.startswith("note: 1 pair of equal images within train, 1 with two labels: ")
    extract(images, subset.model_copy(update={"per_class": 1}), seed=0)
    assert capsys.readouterr().err == ""


def test_the_equal_images_of_cifar_100(source):
    """14 pairs in train, 2 in test and 10 across; 9, 2 and 6 of them carry two labels."""
    assert found(source) == {
        ("train", "train"): (5, 9),
        ("test", "test"): (0, 2),
        ("train", "test"): (4, 6),
    }
