"""Intervals and tests, against calculations that share nothing with them: enumeration, sums of fractions, scipy."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tinyres.evaluation.uncertainty import (
    compare,
    mcnemar_test,
    mean_interval,
    paired_bootstrap,
    paired_difference,
    wilson_interval,
)

COUNTS = st.integers(0, 60)


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (67, 100), (7019, 10_000)])
def test_the_interval_of_a_share_is_wilsons(right, count):
    share, z = right / count, 1.959963984540054
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    assert wilson_interval(right, count) == pytest.approx((centre - half, centre + half), abs=1e-9)


@given(COUNTS, COUNTS)
def test_mcnemars_p_is_the_share_of_coin_tosses_at_least_as_uneven(only_first, only_second):
    told = only_first + only_second
    uneven = abs(only_first - only_second)
    ways = sum(math.comb(told, heads) for heads in range(told + 1) if abs(2 * heads - told) >= uneven)
    assert mcnemar_test(only_first, only_second) == pytest.approx(float(Fraction(ways, 2**told)))


@pytest.mark.parametrize(("only_first", "only_second", "p"), [(0, 0, 1), (5, 5, 1), (0, 1, 1), (0, 6, 2 / 64)])
def test_mcnemars_p_in_cases_one_can_count(only_first, only_second, p):
    assert mcnemar_test(only_first, only_second) == pytest.approx(p)


@pytest.mark.parametrize("outcomes", [[-1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1], [-1, -1, -1, -1, 0, 1]])
def test_the_bootstrap_is_that_of_all_resampled_test_sets(outcomes):
    """All 6^6 draws of six images with replacement, instead of some."""
    totals = np.array([sum(drawn) for drawn in product(outcomes, repeat=6)])
    exact = np.quantile(totals / 6, [0.025, 0.975])
    got = paired_bootstrap(outcomes.count(-1), outcomes.count(1), 6)
    shares = [np.mean(totals / 6 <= end + 1e-9) for end in exact]
    assert all(abs(share - level) > 0.003 for share, level in zip(shares, (0.025, 0.975), strict=True)), "no near tie"
    assert got == pytest.approx(tuple(exact))


@settings(max_examples=10)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 400), st.integers(0, 100))
def test_the_bootstrap_is_scipys_on_the_images_themselves(only_first, only_second, others, seed):
    outcomes = np.repeat([-1.0, 1.0, 0.0], [only_first, only_second, others])
    if not outcomes.any():
        assert paired_bootstrap(only_first, only_second, len(outcomes)) == (0, 0)
        return
    theirs = stats.bootstrap(
        (outcomes,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(seed), batch=500
    )
    low, high = paired_bootstrap(only_first, only_second, len(outcomes))
    tolerance = 0.25 * float(theirs.standard_error) + 1 / len(outcomes)  # five times what 5000 draws leave to chance
    assert low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_the_bootstrap_of_many_images_is_the_normal_approximation():
    only_first, only_second, count = 800, 977, 10_000
    gain = (only_second - only_first) / count
    spread = math.sqrt(((only_first + only_second) / count - gain**2) / count)
    low, high = paired_bootstrap(only_first, only_second, count)
    assert (low, high) == pytest.approx((gain - 1.96 * spread, gain + 1.96 * spread), abs=2e-4)
    assert paired_bootstrap(only_first, only_second, count) == (low, high), "the same again, for it goes into a file"


@settings(max_examples=30)
@given(COUNTS, COUNTS, st.integers(1, 60))
def test_exchanging_the_networks_turns_the_sign(only_first, only_second, others):
    count = only_first + only_second + others
    low, high = paired_bootstrap(only_first, only_second, count)
    assert paired_bootstrap(only_second, only_first, count) == pytest.approx((-high, -low), abs=1.01 / count)
    assert low <= (only_second - only_first) / count <= high
    assert mcnemar_test(only_first, only_second) == mcnemar_test(only_second, only_first)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_two_networks_are_compared_image_by_image(pairs):
    first, second = np.array(pairs).T
    difference = compare(first, second)
    assert difference.test_accuracy == pytest.approx(second.mean() - first.mean())
    assert difference.only_first == sum(one and not other for one, other in pairs)
    assert difference.only_second == sum(other and not one for one, other in pairs)
    ends = paired_bootstrap(difference.only_first, difference.only_second, len(pairs))
    assert (difference.test_accuracy_low, difference.test_accuracy_high) == ends
    assert difference.mcnemar_p == mcnemar_test(difference.only_first, difference.only_second)


@pytest.mark.parametrize("right", [True, False])
def test_networks_with_the_same_answers_do_not_differ(right):
    same = np.full(100, right)
    assert compare(same, same).figures() == {
        "test_accuracy": 0,
        "test_accuracy_low": 0,
        "test_accuracy_high": 0,
        "mcnemar_p": 1,
        "only_first": 0,
        "only_second": 0,
    }


def test_a_network_that_is_always_right_against_one_that_never_is():
    difference = compare(np.full(10, False), np.full(10, True))
    assert (difference.test_accuracy, difference.test_accuracy_low, difference.test_accuracy_high) == (1, 1, 1)
    assert difference.mcnemar_p == pytest.approx(2 / 2**10)


def test_the_interval_of_a_mean_by_hand():
    """Differences 1, 2 and 6: mean 3, standard deviation √7; Student's factor for 2 degrees of freedom is 4.302653."""
    half = 4.302652729911275 * math.sqrt(7) / math.sqrt(3)
    assert mean_interval(np.array([1.0, 2.0, 6.0])) == pytest.approx((3 - half, 3 + half))


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=10).filter(lambda values: len(set(values)) > 1))
def test_the_interval_of_a_mean_is_scipys(values):
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(np.array(values, float)) == pytest.approx((theirs.low, theirs.high))


def test_the_interval_of_equal_values_is_their_mean_and_of_one_value_there_is_none():
    assert mean_interval(np.array([0.25, 0.25, 0.25])) == (0.25, 0.25)
    with pytest.raises(ValueError, match="two values or more"):
        mean_interval(np.array([0.25]))


def test_the_interval_of_a_paired_difference_is_that_of_agresti_and_min():
    """Their R code's `diffpropci(10, 20, 100, 0.95)` by hand: 10/102 ± 1.959964 · √(31 − 100/102)/102."""
    first = np.arange(100) < 10
    second = (np.arange(100) >= 10) & (np.arange(100) < 30)
    gain = paired_difference(first, second)
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.1, -0.007242, 0.203321), abs=1e-6)


def test_equal_answers_on_a_few_images_do_not_prove_equal_networks():
    gain = paired_difference(np.ones(100, bool), np.ones(100, bool))
    assert gain.value == 0
    assert gain.low < -0.01 < 0.01 < gain.high
