"""The numbers about a network are scikit-learn's, and lists of the best and the worst come in a fixed order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, log_loss, top_k_accuracy_score

from tinyres.evaluation.assessment import (
    assess,
    best_and_worst,
    class_gains,
    classification_rows,
    most_confused,
    per_class_rows,
)


def predictions(images: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that lean towards the label, and labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    logits = 3 * generator.normal(size=(images, classes)) + 2 * np.eye(classes)[labels]
    return logits.astype(np.float32), labels


@settings(max_examples=30)
@given(st.integers(1, 200), st.integers(2, 30), st.integers(0, 1000))
def test_every_number_is_scikit_learns(images, classes, seed):
    logits, labels = predictions(images, classes, seed)
    every = np.arange(classes)
    result = assess(logits, labels)
    assert result.accuracy == accuracy_score(labels, logits.argmax(1))
    assert result.loss == pytest.approx(log_loss(labels, softmax(logits.astype(np.float64), axis=1), labels=every))
    assert np.array_equal(result.correct, logits.argmax(1) == labels)
    assert np.array_equal(result.confusion, confusion_matrix(labels, logits.argmax(1), labels=every))
    if classes > 5:
        assert result.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5, labels=every))
    else:
        assert result.top5 is None
    for label in every:
        chosen = labels == label
        if chosen.any():
            assert result.per_class[label] == pytest.approx((logits.argmax(1)[chosen] == label).mean())
        else:
            assert np.isnan(result.per_class[label])


def test_the_loss_survives_logits_that_overflow_an_exponential():
    logits = np.array([[1000, 0], [0, 1000]], np.float32)
    assert assess(logits, np.array([0, 1])).loss == 0
    assert assess(logits, np.array([1, 0])).loss == 1000


def test_a_network_that_is_sure_and_right_has_perfect_figures():
    figures = assess(1000 * np.eye(6, dtype=np.float32), np.arange(6)).figures()
    assert {name: figures[name] for name in ("test_accuracy", "test_accuracy_high", "test_top5")} == {
        "test_accuracy": 1,
        "test_accuracy_high": 1,
        "test_top5": 1,
    }
    assert (figures["test_loss"], figures["test_ece"]) == (0, 0)


def test_a_network_that_is_sure_and_wrong_is_as_ill_calibrated_as_can_be():
    assert assess(1000 * np.eye(6, dtype=np.float32), np.arange(6)[::-1]).figures()["test_ece"] == 1


def test_equal_logits_go_to_the_smaller_label():
    result = assess(np.zeros((6, 6), np.float32), np.arange(6))
    assert result.accuracy == 1 / 6
    assert result.top5 == pytest.approx(5 / 6)
    assert (result.confusion[:, 0] == 1).all()


def test_figures_are_named_as_in_metrics_and_leave_out_what_says_nothing():
    always = ["test_loss"] + [f"test_{name}{end}" for name in ("accuracy", "ece") for end in ("", "_low", "_high")]
    assert sorted(assess(*predictions(20, 6)).figures()) == sorted([*always, "test_top5"])
    assert sorted(assess(*predictions(20, 5)).figures()) == sorted(always)


def test_scores_by_class_are_scikit_learns_report():
    logits, labels = predictions(200, 4)
    names = ["a", "b", "c", "d"]
    expected = classification_report(labels, logits.argmax(axis=1), target_names=names, output_dict=True)
    rows = classification_rows(assess(logits, labels), names)
    for name, theirs in zip([*rows], [*names, "macro avg", "weighted avg"], strict=True):
        values = [expected[theirs][score] for score in ("precision", "recall", "f1-score", "support")]
        assert rows[name] == pytest.approx(values)


def test_most_confused_pairs_come_first_and_ties_by_label():
    confusion = np.array([[90, 3, 7], [3, 80, 0], [7, 1, 70]])
    expected = [(0, 2, 7), (2, 0, 7), (0, 1, 3), (1, 0, 3), (2, 1, 1)]
    assert most_confused(confusion, 20) == expected  # what is right, and what never happened, is no confusion
    assert most_confused(confusion, 3) == expected[:3]
    assert most_confused(np.diag([5, 5]), 3) == []


def test_best_and_worst_classes_with_ties_by_label():
    best, worst = best_and_worst(np.array([0.5, 0.9, 0.1, 0.9, 0.1, 0.5]), 3)
    assert best == [1, 3, 0]
    assert worst == [2, 4, 0]


def test_a_class_without_images_is_neither_best_nor_worst():
    assert best_and_worst(np.array([np.nan, 0.2, 0.8, np.nan]), 2) == ([2, 1], [1, 2])


def test_gains_by_class_most_first_ties_by_label_and_only_where_there_are_images():
    labels = np.array([0, 0, 1, 1, 2, 2, 4, 4])  # none of class 3
    eye = np.eye(5, dtype=np.float32)
    first = assess(eye[[0, 1, 1, 0, 2, 2, 4, 4]], labels)
    second = assess(eye[[0, 0, 1, 1, 2, 0, 4, 4]], labels)
    gains = class_gains(first, second)
    assert [(label, gain.value) for label, gain in gains] == [(0, 0.5), (1, 0.5), (4, 0), (2, -0.5)]
    assert all(gain.low < gain.value < gain.high for _, gain in gains)


def test_rows_by_class():
    assessments = {"one": assess(np.eye(3, dtype=np.float32), np.arange(3)),
                   "two": assess(np.eye(3, dtype=np.float32), np.array([0, 0, 1]))}  # fmt: skip
    assert per_class_rows(assessments, ["cat", "dog", "ant"], ["pet", "pet", "insect"]) == [
        {"class": "cat", "superclass": "pet", "one": "1.0000", "two": "0.5000"},
        {"class": "dog", "superclass": "pet", "one": "1.0000", "two": "0.0000"},
        {"class": "ant", "superclass": "insect", "one": "1.0000", "two": "nan"},
    ]
    assert {row["superclass"] for row in per_class_rows(assessments, ["cat", "dog", "ant"], None)} == {""}
