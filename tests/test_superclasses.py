"""Errors inside a superclass, counted image by image; and where superclasses say nothing, nothing is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from tinyres.evaluation.superclasses import Superclasses

NAMES = ["tree", "fish", "tree", "fish", "tree", "people"]
IMAGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=80)


@given(IMAGES)
def test_every_number_is_that_of_counting_images(images):
    actual, predicted = np.array(images).T
    by_name = [(NAMES[a], NAMES[p]) for a, p in images]
    superclasses = Superclasses.of(NAMES)
    confusion = confusion_matrix(actual, predicted, labels=range(6))

    merged = superclasses.merge(confusion)
    theirs = confusion_matrix(*zip(*by_name, strict=True), labels=["fish", "people", "tree"])
    assert np.array_equal(merged, theirs)

    figures = superclasses.figures(confusion)
    assert figures["test_superclass_accuracy"] == pytest.approx(accuracy_score(*zip(*by_name, strict=True)))
    errors = [(a, p) for a, p in images if a != p]
    if not errors:
        assert list(figures) == ["test_superclass_accuracy"]
        return
    assert figures["test_errors_inside"] == pytest.approx(np.mean([NAMES[a] == NAMES[p] for a, p in errors]))
    anywhere = [[NAMES[a] == NAMES[other] for other in range(6) if other != a] for a, _ in errors]
    assert figures["test_errors_inside_chance"] == pytest.approx(np.mean(anywhere))


def test_chance_in_cifar_100_is_four_of_the_ninety_nine_wrong_classes():
    superclasses = Superclasses.of([f"superclass {label % 20}" for label in range(100)])
    confusion = np.random.default_rng(0).integers(0, 9, (100, 100))
    assert superclasses.figures(confusion)["test_errors_inside_chance"] == pytest.approx(4 / 99)


def test_without_errors_there_is_no_share_of_them():
    assert Superclasses.of(NAMES).figures(np.diag([5] * 6)) == {"test_superclass_accuracy": 1}


@pytest.mark.parametrize("superclasses", [None, [], ["fish"] * 5, ["fish", "tree", "people"]])
def test_superclasses_that_say_nothing(superclasses):
    assert Superclasses.of(superclasses) is None
