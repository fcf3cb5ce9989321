"""The expected calibration error is that of its definition: a loop over images and bins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from tinyres.evaluation.calibration import BINS, calibrate

# Thousandths, which fall on no edge of 15 bins but 0.2, 0.4, 0.6, 0.8 and 1.
ANSWERS = st.lists(st.tuples(st.integers(1, 1000), st.booleans()), min_size=1, max_size=80)


@given(ANSWERS)
def test_the_error_is_that_of_a_loop(answers):
    total = 0.0
    for number in range(1, BINS + 1):
        within = [(c / 1000, right) for c, right in answers if math.ceil(c * BINS / 1000) == number]
        if within:
            confidence = math.fsum(c for c, _ in within) / len(within)
            total += abs(sum(right for _, right in within) / len(within) - confidence) * len(within) / len(answers)
    confidence, right = np.array(answers).T
    assert calibrate(confidence / 1000, right.astype(bool)).error == pytest.approx(total, abs=1e-12)


@given(ANSWERS)
def test_the_points_are_scikit_learns(answers):
    confidence, right = np.array(answers).T
    result = calibrate(confidence / 1000 - 1e-9, right.astype(bool))  # off the edges, on which scikit-learn differs
    accuracy, mean = calibration_curve(right, confidence / 1000 - 1e-9, n_bins=BINS)
    assert result.accuracy[result.count > 0] == pytest.approx(accuracy)
    assert result.confidence[result.count > 0] == pytest.approx(mean)
    assert result.count.sum() == len(answers)


@pytest.mark.parametrize("edge", range(1, BINS))
def test_an_edge_belongs_to_the_bin_below_it(edge):
    result = calibrate(np.array([edge / BINS, edge / BINS + 1e-9]), np.array([True, False]))
    assert np.flatnonzero(result.count).tolist() == [edge - 1, edge]


def test_perfect_scores_have_no_error_and_empty_bins_no_accuracy():
    result = calibrate(np.ones(7), np.ones(7, bool))
    assert result.error == 0
    assert result.count.tolist() == [0] * 14 + [7]
    assert np.isnan(result.accuracy[:14]).all()
    assert np.isnan(result.confidence[:14]).all()


def test_being_sure_and_wrong_is_the_greatest_error():
    assert calibrate(np.ones(7), np.zeros(7, bool)).error == 1


def test_half_right_at_half_confidence_is_calibrated():
    assert calibrate(np.full(10, 0.5), np.arange(10) < 5).error == 0
