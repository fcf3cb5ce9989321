"""Twins are found whatever was done to the photograph; other pictures of the same thing are none."""

import csv
import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from tinyres.common.dataset import Split
from tinyres.sources import nearest, twins
from tinyres.sources.twins import GROUP, find_twins, not_searched, write_twins

Picture = NDArray[np.uint8]


def scenes(count: int, seed: int = 0, side: int = 44) -> Picture:
    """Pictures with structures of every size, as photographs have."""
    generator = np.random.default_rng(seed)
    layers = [gaussian_filter(generator.normal(size=(count, side, side, 3)), (0, s, s, 0)) * s for s in (1, 2, 5)]
    whole = sum(layers)
    low, high = whole.min(axis=(1, 2, 3), keepdims=True), whole.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray(255 * (whole - low) / (high - low)).astype(np.uint8)


def jpeg(image: Picture) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream))


def grey(image: Picture) -> Picture:
    return np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)


def larger(image: Picture) -> Picture:
    return np.asarray(Image.fromarray(image).resize((36, 36), Image.Resampling.BILINEAR))[2:34, 2:34]


CHANGES = {
    "exact": lambda scene: scene[6:38, 6:38],
    "shifted": lambda scene: scene[7:39, 5:37],
    "jpeg": lambda scene: jpeg(scene[6:38, 6:38]),
    "grey": lambda scene: grey(scene[6:38, 6:38]),
    "mirrored": lambda scene: scene[6:38, 6:38][:, ::-1],
    "larger": lambda scene: larger(scene[6:38, 6:38]),
    "darker": lambda scene: (scene[6:38, 6:38] * 0.6 + 10).astype(np.uint8),
}


def split(images: Picture, labels: list[int] | None = None) -> Split:
    return Split(np.ascontiguousarray(images), np.array(labels or [0] * len(images), np.int64))


@pytest.fixture(scope="module")
def planted() -> dict[str, Split]:
    """40 training images; 20 test images, of which the first are changed copies of the first in training."""
    pictures = scenes(60)
    train = pictures[:40, 6:38, 6:38]
    test = pictures[40:, 6:38, 6:38].copy()
    for row, change in enumerate(CHANGES.values()):
        test[row] = change(pictures[row])
    return {"train": split(train), "test": split(test, [1] + [0] * 19)}


def test_each_planted_twin_is_found_and_nothing_else(planted):
    found = {(each.splits, each.rows): (each.kind, each.labels_agree) for each in find_twins(planted)}
    assert found == {
        (("train", "test"), (row, row)): ("exact" if row == 0 else "near", row != 0) for row in range(len(CHANGES))
    }


def test_a_twin_inside_a_split_is_found_once(planted):
    pictures = planted["train"].images.copy()
    pictures[7] = pictures[3][:, ::-1]
    assert [each.rows for each in find_twins({"train": split(pictures)})] == [(3, 7)]


def test_memory_for_many_alike_images_costs_no_twin(planted, monkeypatch):
    whole = find_twins(planted)
    monkeypatch.setattr(twins, "ALIKE", 0.0)
    monkeypatch.setattr(nearest, "MANY", 10)
    monkeypatch.setattr(nearest, "TILE", 4)
    monkeypatch.setattr(nearest, "WIDE", 8)
    assert find_twins(planted) == whole


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images(count):
    images = scenes(2)[:count, 6:38, 6:38]
    assert find_twins({"train": split(images), "test": split(images[:0])}) == []


def test_of_many_equal_images_no_pair_is_near():
    equal = split(np.repeat(scenes(1)[:, 6:38, 6:38], GROUP + 5, axis=0))
    assert {(each.rows[0], each.kind) for each in find_twins({"train": equal})} == {(0, "exact")}


def test_images_of_one_colour_are_a_sentence_and_not_a_million_pairs():
    flat = split(np.full((1500, 32, 32, 3), 7, np.uint8))
    pairs = find_twins({"train": flat})
    assert len(pairs) == 1499
    assert {each.rows[0] for each in pairs} == {0}
    assert not_searched({"train": flat}) == [
        f"Of more than {GROUP} equal images (there are up to 1,500), each is paired with the first alone."
    ]


def test_flat_images_of_other_colours_are_no_twins():
    levels = np.arange(0, 250, 25, dtype=np.uint8).reshape(-1, 1, 1, 1)
    assert find_twins({"train": split(np.broadcast_to(levels, (10, 32, 32, 3)))}) == []


def test_small_images_are_compared_for_equality_alone():
    small = split(np.concatenate([scenes(3)[:, :8, :8]] * 2))
    assert [(each.rows, each.kind) for each in find_twins({"test": small})] == [((k, k + 3), "exact") for k in range(3)]
    assert not_searched({"test": small}) == ["Images of fewer than 16 pixels a side were compared for equality alone."]


def test_the_file_has_the_images_numbers_in_the_source(planted, tmp_path):
    numbers = {"train": np.arange(40) * 10, "test": np.arange(20) + 100}
    write_twins(tmp_path / "twins", find_twins(planted), numbers, ["Something was not searched."])
    with (tmp_path / "twins/pairs.csv").open() as stream:
        first = next(csv.DictReader(stream))
    assert first == {"first_split": "train", "first": "0", "second_split": "test", "second": "100", "kind": "exact",
                     "score": "1.0000", "labels_agree": "false", "first_row": "0", "second_row": "0"}  # fmt: skip
    assert json.loads((tmp_path / "twins/remarks.json").read_text()) == ["Something was not searched."]
