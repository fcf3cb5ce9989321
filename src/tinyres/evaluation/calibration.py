"""Calibration: whether a network's confidence matches the share of images that it classifies correctly.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyres.evaluation.uncertainty import BOOTSTRAP_SEED, LEVEL

BINS = 15  # of equal width, as in Guo et al.
RESAMPLES = 2000  # of 10,000 images: half a second
BATCH = 100  # resamples in memory at once


@dataclass(frozen=True)
class Calibration:
    """Images in M bins by confidence, the probability of the predicted class; bin m covers ((m − 1)/M, m/M]."""

    count: NDArray[np.int64]
    """The number of images in each bin (M)."""
    confidence: NDArray[np.float64]
    """The mean confidence in each bin (M); NaN in an empty bin."""
    accuracy: NDArray[np.float64]
    """The share of correct predictions in each bin (M); NaN in an empty bin."""

    @property
    def error(self) -> float:
        """Expected calibration error: the gap between confidence and accuracy, averaged over images (equation 3)."""
        filled = self.count > 0
        gap = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.average(gap, weights=self.count[filled]))


def calibrate(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Sort predictions into bins by confidence.

    Args:
        confidence: The probability of each predicted class, in (0, 1] (N).
        correct: Whether each prediction is correct (N).
        bins: The number of bins, M.
    """
    chosen = bins_of(confidence, bins)
    count = np.bincount(chosen, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin is the intended NaN
        mean_confidence = np.bincount(chosen, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(chosen, weights=correct, minlength=bins) / count
    return Calibration(count, mean_confidence, accuracy)


def bins_of(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.intp]:
    """Return the bin of each prediction (N), from 0."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def error_interval(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % interval of the expected calibration error, by bootstrap over the images.

    It is the basic bootstrap interval, cut at 0 and 1. Chance alone opens gaps between confidence and accuracy, so the
    error of a resample is larger than that of the images on average, and an interval of the resamples' percentiles
    would lie too high; the basic one, which is mirrored at the error, corrects the shift.

    A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2.1.

    Args:
        confidence: The probability of each predicted class, in (0, 1] (N).
        correct: Whether each prediction is correct (N).
    """
    from scipy.stats import bootstrap  # as in `uncertainty`

    if len(correct) < 2:
        return 0.0, 1.0

    gap, chosen = correct - confidence, bins_of(confidence)

    def error(images: NDArray[np.intp]) -> float:
        return float(np.abs(np.bincount(chosen[images], weights=gap[images])).sum() / len(images))

    interval = bootstrap(
        (np.arange(len(gap)),),
        error,
        vectorized=False,
        method="basic",
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        batch=BATCH,
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return max(0.0, float(interval.low)), min(1.0, float(interval.high))
