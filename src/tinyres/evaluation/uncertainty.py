"""How far a result is to be trusted: intervals at 95 %, over test images and over seeds."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, t

LEVEL = 0.95
RESAMPLES = 100_000  # chance then moves the ends of an interval by about 0.2 % of its width
BOOTSTRAP_SEED = 0  # fixed: the interval depends on what the networks answered alone, whatever seed they trained with

Right = NDArray[np.bool_]
"""N: whether a network is right about each image."""


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, 1927, doi:10.1080/01621459.1927.10502953)."""
    interval = binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Difference:
    """The second of two networks against the first, on the same test images; fractions of these images."""

    test_accuracy: float
    """The second's minus the first's."""
    test_accuracy_low: float
    test_accuracy_high: float
    """The interval's ends."""
    mcnemar_p: float
    only_first: int
    """Images that the first alone gets right."""
    only_second: int

    def figures(self) -> dict[str, float]:
        """The single numbers, under the names that metrics use."""
        return asdict(self)


def compare(first: Right, second: Right) -> Difference:
    """The difference of two networks' accuracies on the same images, its interval, and McNemar's test."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = paired_bootstrap(only_first, only_second, len(first))
    p = mcnemar_test(only_first, only_second)
    return Difference((only_second - only_first) / len(first), low, high, p, only_first, only_second)


def paired_bootstrap(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """95 % interval of the difference of two accuracies on the same images: percentiles over resampled images.

    On an image the second network gains −1, 0 or +1 on the first. So `count` images drawn with replacement are one draw
    of three counts from a multinomial distribution, which is exact and needs no images.

    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        only_first: images that the first network alone gets right.
        only_second: images that the second alone gets right.
        count: all images.
    """
    shares = np.array([only_first, only_second, count - only_first - only_second]) / count
    drawn = np.random.default_rng(BOOTSTRAP_SEED).multinomial(count, shares, size=RESAMPLES)
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / count, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test: how often two equally good networks would differ at least as much.

    Q. McNemar, 1947, doi:10.1007/BF02295996. Only images on which one is right and the other wrong tell; without any,
    nothing speaks against equality and p is 1.
    """
    told = only_first + only_second
    return float(binomtest(only_second, told, 0.5).pvalue) if told else 1.0


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % t interval of the mean of independent values, such as the differences of pairs trained with the same seed.

    Student, "The Probable Error of a Mean", 1908, doi:10.1093/biomet/6.1.1.

    Raises:
        ValueError: there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("the interval of a mean takes two values or more")
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half
