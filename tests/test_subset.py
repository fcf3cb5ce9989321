"""The chosen images are the source's own, and the array format keeps them."""

import dataclasses
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinyres.common.dataset import (
    Description,
    Split,
    channel_statistics,
    read_description,
    read_split,
    write_dataset,
)
from tinyres.common.errors import UserError
from tinyres.params import Subset
from tinyres.sources.photographs import read_photograph
from tinyres.sources.source import Source
from tinyres.sources.subset import choose_classes, extract

AQUATIC = ["beaver", "dolphin", "otter", "seal", "whale"]


def subset(**changes: Any) -> Subset:
    defaults = {"classes": "all", "per_class": None, "image_size": None, "validation": 0, "validation_from": "train"}
    return Subset(**defaults | {"unlabelled": 0} | changes)


def toy(sizes: Sequence[int], test_sizes: Sequence[int] = (4, 4)) -> Source:
    """Tiny images that each hold their own row number, classes mixed; `sizes` counts training images per class."""

    def split(counts: Sequence[int]) -> Split:
        labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
        rows = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
        return Split(np.broadcast_to(rows, (len(labels), 2, 2, 3)).copy(), labels.astype(np.int64))

    classes = [f"class_{number}" for number in range(len(sizes))]
    superclasses = {name: ("even", "odd")[number % 2] for number, name in enumerate(classes)}
    return Source("toy", classes, superclasses, {"train": split(sizes), "test": split(test_sizes)})


def rows(split: Split) -> list[int]:
    """Which of the toy source's images these are."""
    return split.images[:, 0, 0, 0].tolist()


# Classes.


def test_the_aquatic_mammals_are_the_archives_own_images(source):
    description, splits = extract(source, subset(classes="aquatic_mammals"), seed=0)
    assert description.classes == AQUATIC
    assert description.superclasses == ["aquatic_mammals"] * 5
    assert description.sizes == {"train": 2500, "test": 500}
    assert description.image_size == (32, 32)
    for name, split in splits.items():
        chosen = np.isin(source.splits[name].labels, [source.classes.index(animal) for animal in AQUATIC])
        assert np.array_equal(split.images, source.splits[name].images[chosen])
        names = [source.classes[label] for label in source.splits[name].labels[chosen]]
        assert [AQUATIC[label] for label in split.labels] == names
        assert np.bincount(split.labels).tolist() == [len(split) // 5] * 5


def test_all_of_cifar100_is_100_classes_in_alphabetical_order(source):
    description, splits = extract(source, subset(), seed=0)
    assert len(description.classes) == 100
    assert description.classes == sorted(description.classes)
    assert len(set(description.superclasses)) == 20
    assert description.sizes == {"train": 50_000, "test": 10_000}
    for name, split in splits.items():
        assert np.array_equal(split.images, source.splits[name].images)
        assert np.array_equal(split.labels, source.splits[name].labels)  # CIFAR-100's own labels are alphabetical


def test_an_image_lies_in_memory_as_it_looks(source, members):
    """A pixel's way from the archive: 3 planes of 32 rows become rows × columns × colours."""
    row = pickle.loads((members / "test").read_bytes(), encoding="latin1")["data"][7]
    image = source.splits["test"].images[7]
    assert image[5, 9].tolist() == [row[plane * 1024 + 5 * 32 + 9] for plane in range(3)]


def test_a_list_of_classes_is_taken_in_alphabetical_order():
    source = toy([3, 3, 3, 3], [1, 1, 1, 1])
    description, splits = extract(source, subset(classes=["class_3", "class_1", "class_3"]), seed=0)
    assert description.classes == ["class_1", "class_3"]
    assert description.superclasses == ["odd", "odd"]
    expected = [row for row, label in enumerate(source.splits["train"].labels) if label in (1, 3)]
    assert rows(splits["train"]) == expected
    assert (splits["train"].labels == [{1: 0, 3: 1}[int(source.splits["train"].labels[row])] for row in expected]).all()


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        ("aquatic mammals", "there is no superclass 'aquatic mammals'; did you mean 'aquatic_mammals'?"),
        ("Aquatic_Mammals", "there is no superclass 'Aquatic_Mammals'; did you mean 'aquatic_mammals'?"),
        ("birds", "there is no superclass 'birds'; known are: aquatic_mammals, fish, flowers, "),
        (["seel", "whale"], "there is no class 'seel'; did you mean 'seal'?"),
        (["aquatic_mammals", "whale"], "there is no class 'aquatic_mammals'; "),
        ("seal", "is 'seal', a single class; give a list of at least two classes."),
        (["seal"], "is ['seal']; give at least two different classes."),
        (["seal", "seal"], "is ['seal', 'seal']; give at least two different classes."),
        ([], "is []; give at least two different classes."),
    ],
)
def test_classes_that_cannot_be_chosen(source, classes, sentence):
    with pytest.raises(UserError) as caught:
        choose_classes(source, classes)
    assert str(caught.value).removeprefix("subset.classes").removeprefix(": ").lstrip().startswith(sentence)


def test_the_first_images_of_each_class_in_their_order():
    source = toy([9, 5, 2], [3, 3, 3])
    description, splits = extract(source, subset(per_class=3), seed=0)
    assert description.sizes == {"train": 8, "test": 9}
    labels = source.splits["train"].labels
    assert rows(splits["train"]) == sorted(row for label in range(3) for row in np.flatnonzero(labels == label)[:3])


# Validation.


@settings(max_examples=50)
@given(st.lists(st.integers(4, 20), min_size=2, max_size=6), st.floats(0.1, 0.9), st.integers(0, 2**32 - 1))
def test_validation_from_train_is_stratified(sizes, share, seed):
    source = toy(sizes, [2] * len(sizes))
    chosen = subset(validation=share)
    _, splits = extract(source, chosen, seed)
    count = round(share * sum(sizes))
    validation, train = rows(splits["validation"]), rows(splits["train"])
    assert len(validation) == count
    taken = np.bincount(splits["validation"].labels, minlength=len(sizes))
    assert (np.abs(taken - count / sum(sizes) * np.array(sizes)) < 1).all()
    assert sorted(validation + train) == list(range(sum(sizes)))
    assert (validation, train) == (sorted(validation), sorted(train))
    assert rows(extract(source, chosen, seed)[1]["validation"]) == validation
    assert rows(splits["test"]) == rows(source.splits["test"])


def test_another_seed_sets_other_images_aside():
    source = toy([40, 40])
    assert len({tuple(rows(extract(source, subset(validation=0.5), seed)[1]["validation"])) for seed in range(5)}) == 5


def test_validation_from_test_takes_the_first_in_order():
    source = toy([3, 3], [10, 10])
    description, splits = extract(source, subset(validation=12, validation_from="test"), seed=0)
    assert description.sizes == {"train": 6, "test": 8, "validation": 12}
    assert rows(splits["validation"]) == list(range(12))
    assert rows(splits["test"]) == list(range(12, 20))


@pytest.mark.parametrize("validation", [0.01, 0.99, 8, 9])
def test_validation_must_leave_images_for_both(validation):
    with pytest.raises(UserError, match=r"subset\.validation takes \d of the 8 test images; give a number that leaves"):
        extract(toy([3, 3], [4, 4]), subset(validation=validation, validation_from="test"), seed=0)


def test_the_reports_split_of_the_test_images(source):
    chosen = subset(classes="aquatic_mammals", validation=400, validation_from="test")
    description, splits = extract(source, chosen, seed=0)
    assert description.sizes == {"train": 2500, "test": 100, "validation": 400}
    assert np.bincount(splits["test"].labels).tolist() == [24, 21, 16, 18, 21]  # the supports that the report prints


def test_the_reports_five_gallery_images_are_one_of_each_class(source):
    _, splits = extract(source, subset(classes="aquatic_mammals"), seed=0)
    assert [AQUATIC[label] for label in splits["test"].labels[[3, 12, 19, 25, 8]]] == AQUATIC


# Sizes.


def test_each_chosen_image_is_resized_as_predict_does(source, tmp_path):
    description, splits = extract(source, subset(classes="aquatic_mammals", per_class=4, image_size=48), seed=0)
    assert description.image_size == (48, 48)
    _, as_they_are = extract(source, subset(classes="aquatic_mammals", per_class=4), seed=0)
    for name, split in splits.items():
        assert np.array_equal(split.labels, as_they_are[name].labels)
        for resized, image in zip(split.images, as_they_are[name].images, strict=True):
            Image.fromarray(image).save(tmp_path / "image.png")
            assert np.array_equal(resized, read_photograph(tmp_path / "image.png", (48, 48)).pixels)
    assert np.allclose(description.mean, (splits["train"].images / 255).mean((0, 1, 2)), rtol=0, atol=1e-12)


def test_images_of_that_size_already_keep_their_bytes(source):
    same, as_they_are = (extract(source, subset(per_class=2, image_size=size), seed=0)[1] for size in (32, None))
    assert all(np.array_equal(same[name].images, as_they_are[name].images) for name in same)


# Images without labels.


def test_unlabelled_images_are_the_same_share_of_every_class_and_of_the_training_images_alone():
    source = toy((40, 20), (4, 4))
    description, splits = extract(source, subset(unlabelled=0.75), seed=0)
    assert description.sizes == {"train": 15, "test": 8, "unlabelled": 45}
    assert np.bincount(splits["unlabelled"].labels).tolist() == [30, 15]
    assert sorted(rows(splits["train"]) + rows(splits["unlabelled"])) == list(range(60))
    assert rows(splits["test"]) == list(range(8))


def test_validation_images_are_the_same_with_and_without_unlabelled_ones():
    source = toy((40, 20))
    _, both = extract(source, subset(validation=12, unlabelled=0.5), seed=3)
    _, alone = extract(source, subset(validation=12), seed=3)
    assert rows(both["validation"]) == rows(alone["validation"])
    assert sorted(rows(both["train"]) + rows(both["unlabelled"])) == rows(alone["train"])


def test_other_images_lose_their_labels_with_another_seed():
    draws = [rows(extract(toy((40, 20)), subset(unlabelled=0.5), seed)[1]["unlabelled"]) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(("unlabelled", "count"), [(0.001, 0), (60, 60), (80, 80)])
def test_some_training_images_keep_their_labels_and_some_lose_them(unlabelled, count):
    with pytest.raises(UserError, match=f"^subset.unlabelled takes {count} of the 60 train images; give a number"):
        extract(toy((40, 20)), subset(unlabelled=unlabelled), seed=0)


# The array format.


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(0, 255), st.integers(0, 255), st.integers(0, 1000))
def test_channel_statistics_are_numpys(count, low, high, seed):
    shape = (count, 5, 4, 3)
    low, high = sorted((low, high))
    images = np.random.default_rng(seed).integers(low, high, shape, np.uint8, endpoint=True)
    mean, std = channel_statistics(images)
    assert np.allclose(mean, (images / 255).mean((0, 1, 2)), rtol=0, atol=1e-12)
    assert np.allclose(std, (images / 255).std((0, 1, 2)), rtol=0, atol=1e-12)


def test_statistics_are_those_of_the_training_images_that_are_left(source):
    description, splits = extract(source, subset(classes="aquatic_mammals", validation=0.2), seed=0)
    assert np.allclose(description.mean, (splits["train"].images / 255).mean((0, 1, 2)), rtol=0, atol=1e-12)


def test_what_is_written_is_read(tmp_path):
    description, splits = extract(toy([5, 5]), subset(validation=0.2), seed=0)
    write_dataset(tmp_path / "subset", description, splits)
    read = read_description(tmp_path / "subset")
    assert dataclasses.replace(read, sha256={}) == description
    assert set(read.sha256) == {"train", "test", "validation"}
    for name, split in splits.items():
        again = read_split(tmp_path / "subset" / name)
        assert np.array_equal(again.images, split.images)
        assert np.array_equal(again.labels, split.labels)


def test_the_same_parameters_give_the_same_bytes(tmp_path):
    def contents(name: str) -> dict[str, bytes]:
        write_dataset(tmp_path / name, *extract(toy([50, 50]), subset(validation=0.5), seed=3))
        files = (file for file in (tmp_path / name).rglob("*") if file.is_file())
        return {str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files}

    assert contents("once") == contents("twice")
    assert len(contents("thrice")) == 7


def test_a_split_without_images_is_read(tmp_path):
    empty = Split(np.zeros((0, 2, 2, 3), np.uint8), np.zeros(0, np.int64))
    write_dataset(tmp_path / "subset", Description("toy", [], None, (2, 2), {}, None, [], []), {"train": empty})
    assert len(read_split(tmp_path / "subset/train")) == 0


def test_existing_output_is_replaced_whole(tmp_path):
    folder = tmp_path / "subset"
    write_dataset(folder, *extract(toy([5, 5]), subset(validation=0.2), seed=0))
    write_dataset(folder, *extract(toy([5, 5]), subset(), seed=0))
    assert {path.name for path in folder.iterdir()} == {"train", "test", "dataset.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["subset"]


@pytest.mark.parametrize("file", ["images.npy", "labels.npy"])
@pytest.mark.parametrize("size", [None, 0, 5, 100, -1])
def test_arrays_that_are_not_whole_are_one_sentence(tmp_path, file, size):
    folder = tmp_path / "subset"
    write_dataset(folder, *extract(toy([5, 5]), subset(), seed=0))
    damaged = folder / "train" / file
    if size is None:
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[:size])
    with pytest.raises(UserError, match=r"train does not hold whole arrays \(.*make it again with `dvc repro`\.$"):
        read_split(folder / "train")


@pytest.mark.parametrize("size", [0, 40, -5])
def test_a_description_that_is_not_whole_is_one_sentence(tmp_path, size):
    write_dataset(tmp_path, *extract(toy([5, 5]), subset(), seed=0))
    file = tmp_path / "dataset.json"
    file.write_text(file.read_text()[:size])
    with pytest.raises(
        UserError, match=r"dataset\.json is damaged \(.*make it again with `dvc repro -f subset-extract`"
    ):
        read_description(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"dataset\.json is missing; make it with `dvc repro subset-extract`\.$"):
        read_description(tmp_path)


def test_a_split_holds_matching_arrays_only():
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    for wrong_images, wrong_labels in [(images / 255, labels), (images[..., :1], labels), (images, labels[:1]),
                                       (images, labels.astype(np.int32))]:  # fmt: skip
        with pytest.raises(ValueError, match="images"):
            Split(wrong_images, wrong_labels)
