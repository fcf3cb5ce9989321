"""How far a result can be trusted: 95 % confidence intervals and tests, over test images and over seeds."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
RESAMPLES = 100_000  # random variation then moves the ends of an interval by about 0.2 % of its width
BOOTSTRAP_SEED = 0  # fixed, so that the interval depends on nothing but the predictions

Correct = NDArray[np.bool_]
"""Whether a network classifies each image correctly (N)."""


@dataclass(frozen=True)
class Estimate:
    """A fraction, or a difference of two, with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of the proportion `successes / count`.

    E. B. Wilson, 1927, doi:10.1080/01621459.1927.10502953.
    """
    from scipy.stats import binomtest  # a second of imports, which `tinyres table` does without

    interval = binomtest(successes, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Difference:
    """How a second network differs from a first one on the same test images."""

    test_accuracy: float
    """Accuracy of the second minus that of the first, a fraction."""
    test_accuracy_low: float
    """Lower end of its 95 % interval (paired bootstrap)."""
    test_accuracy_high: float
    """Upper end of its 95 % interval."""
    mcnemar_p: float
    """Two-sided p of McNemar's exact test."""
    only_first: int
    """The number of images that only the first network classifies correctly."""
    only_second: int
    """The number of images that only the second network classifies correctly."""

    def figures(self) -> dict[str, float]:
        """Return all fields under the names that the metrics files use."""
        return asdict(self)


def compare(first: Correct, second: Correct) -> Difference:
    """Compare two networks on the same images: difference in accuracy, its interval, and McNemar's test."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = paired_bootstrap(only_first, only_second, len(first))
    p = mcnemar_test(only_first, only_second)
    return Difference((only_second - only_first) / len(first), low, high, p, only_first, only_second)


def paired_bootstrap(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference in accuracy of two networks on the same images.

    On each image the second network gains −1, 0 or +1 on the first. Resampling `count` images with replacement is
    therefore the same as drawing three counts from a multinomial distribution, which needs no images.

    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        only_first: The number of images that only the first network classifies correctly.
        only_second: The number of images that only the second network classifies correctly.
        count: The number of all images.
    """
    shares = np.array([only_first, only_second, count - only_first - only_second]) / count
    drawn = np.random.default_rng(BOOTSTRAP_SEED).multinomial(count, shares, size=RESAMPLES)
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / count, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_difference(first: Correct, second: Correct) -> Estimate:
    """Return the second network's accuracy minus the first's on the same few images, with a 95 % interval.

    On the 100 images of a class a bootstrap's interval is too short, and a mere point if no image is discordant. This
    one first adds half an image to each of the four cells: correct by both, by the first, by the second, by neither.

    A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions", 2005 (the interval
    called Wald+2), doi:10.1002/sim.1781.
    """
    count, only_first, only_second = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    lost, gained = (only_first + 0.5) / (count + 2), (only_second + 0.5) / (count + 2)
    half = float(ndtri((1 + LEVEL) / 2)) * ((lost + gained - (gained - lost) ** 2) / (count + 2)) ** 0.5
    low, high = max(-1.0, gained - lost - half), min(1.0, gained - lost + half)
    return Estimate((only_second - only_first) / count, low, high)


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Return the two-sided p of McNemar's exact test: how often equally good networks would differ at least as much.

    Only discordant images count, those on which exactly one network is correct; without any, p is 1.

    Q. McNemar, 1947, doi:10.1007/BF02295996.
    """
    from scipy.stats import binomtest  # as above

    discordant = only_first + only_second
    return float(binomtest(only_second, discordant, 0.5).pvalue) if discordant else 1.0


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % t interval of the mean of N independent values.

    Such values are, for example, the differences between networks trained with the same seed.

    Student, "The Probable Error of a Mean", 1908, doi:10.1093/biomet/6.1.1.

    Raises:
        ValueError: There are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("the interval of a mean needs two values or more")
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half
