"""Calibration: whether a network's confidence matches the share of images that it classifies correctly.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, as in Guo et al.


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
    edges = np.linspace(0, 1, bins + 1)
    chosen = np.digitize(confidence, edges[1:-1], right=True)
    count = np.bincount(chosen, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin is the intended NaN
        mean_confidence = np.bincount(chosen, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(chosen, weights=correct, minlength=bins) / count
    return Calibration(count, mean_confidence, accuracy)
