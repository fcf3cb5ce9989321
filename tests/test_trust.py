"""Suspect labels by confident learning, and what networks score without twins and suspect labels."""

import numpy as np
import pytest

from tinyres.common.errors import UserError
from tinyres.evaluation.trust import (
    Suspects,
    TestTwins,
    TwinPair,
    doubts_in_words,
    read_remarks,
    read_twins,
    scores_without,
    suspect_labels,
)
from tinyres.sources.twins import Twin, write_twins

NONE = Suspects(np.array([], np.intp), np.array([], np.intp), np.array([]))


def test_the_suspect_is_the_image_that_is_confidently_of_another_class():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95]])
    labels = np.array([0, 0, 1, 1, 1, 0])  # thresholds by hand: 0.5833 for class 0, 0.8 for class 1
    suspects = suspect_labels(probabilities, labels)
    assert suspects.rows.tolist() == [5]
    assert suspects.likely.tolist() == [1]
    assert suspects.margin.tolist() == pytest.approx([0.9])


def test_flipped_labels_come_first():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 10, 1000)
    logits = generator.normal(size=(1000, 10)) + 5 * np.eye(10)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels, flipped = true.copy(), generator.choice(1000, 50, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 10
    suspects = suspect_labels(probabilities, labels)
    assert set(suspects.rows[:40]) <= set(flipped)
    assert len(set(suspects.rows) & set(flipped)) >= 35
    assert (np.diff(suspects.margin) <= 0).all()


@pytest.mark.parametrize("per_class", [0, 1, 2])
def test_few_images_of_a_class(per_class):
    labels = np.array([0] * per_class + [1] * 5)
    suspects = suspect_labels(np.full((len(labels), 2), 0.5), labels)
    assert set(suspects.rows) <= set(range(len(labels)))


def test_scores_without_twins_and_suspects():
    correct = {"a": np.array([1, 0, 0, 1, 0], bool), "b": np.array([1, 1, 0, 1, 1], bool)}
    twins = TestTwins(np.array([1, 0, 0, 0, 0], bool), np.array([0, 0, 1, 0, 0], bool))
    suspects = Suspects(np.array([1]), np.array([0]), np.array([0.5]))
    figures, difference = scores_without(correct, twins, suspects)
    assert figures["a"] == pytest.approx(
        {
            "test_accuracy_without_twins": 1 / 4,
            "test_accuracy_without_suspects": 2 / 4,
            "test_accuracy_without_both": 1 / 3,
            "test_errors_contradicted": 1,
        }
    )
    assert figures["b"]["test_accuracy_without_both"] == pytest.approx(2 / 3)
    assert difference["without_both_low"] <= 1 / 3 <= difference["without_both_high"]


def test_nothing_is_left():
    twins = TestTwins(np.ones(3, bool), np.zeros(3, bool))
    figures, difference = scores_without({"a": np.ones(3, bool), "b": np.zeros(3, bool)}, twins, NONE)
    assert "test_accuracy_without_twins" not in figures["a"]
    assert difference == {}


def test_doubts_are_counted_among_the_test_images():
    twins = TestTwins(np.arange(2000) < 100, np.zeros(2000, bool))
    suspects = Suspects(np.array([1, 7, 8, 9]), np.zeros(4, int), np.zeros(4))
    assert doubts_in_words(twins, suspects, ["Only equal ones were sought."]) == (
        "Of the 2,000 test images, 100 (5.0 %) have a twin among the training images, and 4 (0.2 %) have a label that "
        "the networks' answers make suspect. The weaker the networks, the more of the suspect labels are right. "
        "Only equal ones were sought."
    )


def test_twins_are_read_by_their_rows(tmp_path):
    twins = [
        Twin(("train", "test"), (4, 0), "near", 0.95, True),
        Twin(("train", "test"), (5, 1), "exact", 1.0, False),
        Twin(("test", "test"), (2, 3), "exact", 1.0, False),
        Twin(("train", "train"), (0, 1), "exact", 1.0, False),
    ]
    write_twins(tmp_path / "twins", twins, {"train": np.arange(6) + 50, "test": np.arange(5) + 90}, [])
    read = TestTwins.of(read_twins(tmp_path / "twins"), 5)
    assert read_twins(tmp_path / "twins")[0] == TwinPair(("train", "test"), (54, 90), (4, 0), "near", 0.95, True)
    assert read.trained_on.tolist() == [True, True, False, False, False]
    assert read.contradicted.tolist() == [False, True, True, True, False]


def test_remarks_on_the_search_are_read_as_they_were_written(tmp_path):
    write_twins(tmp_path / "twins", [], {}, ["Only equal ones were sought."])
    assert read_remarks(tmp_path / "twins") == ["Only equal ones were sought."]
    (tmp_path / "twins" / "remarks.json").write_text("[")
    with pytest.raises(UserError, match=r"remarks\.json is missing or damaged; make it with `dvc repro -f"):
        read_remarks(tmp_path / "twins")


def test_missing_or_damaged_twins(tmp_path):
    with pytest.raises(UserError, match="is missing; make it with `dvc repro subset-extract`"):
        read_twins(tmp_path)
    (tmp_path / "pairs.csv").write_text("first_split\ntrain\n")
    with pytest.raises(UserError, match="is damaged"):
        read_twins(tmp_path)
