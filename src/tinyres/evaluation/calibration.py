"""Whether a network's confidence is the share of images that it gets right.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, as in Guo et al.


@dataclass(frozen=True)
class Calibration:
    """Images binned by confidence, the probability of the predicted class: bin m holds those in ((m − 1)/M, m/M]."""

    count: NDArray[np.int64]
    """M: images in each bin."""
    confidence: NDArray[np.float64]
    """M: their mean confidence; NaN in an empty bin."""
    accuracy: NDArray[np.float64]
    """M: the share of them that is right; NaN in an empty bin."""

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al., equation 3): the mean gap between the two, weighted by images."""
        filled = self.count > 0
        gap = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.average(gap, weights=self.count[filled]))


def calibrate(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Bin images by the confidence (N, in (0, 1]) of their prediction and compare it with what is right (N)."""
    edges = np.linspace(0, 1, bins + 1)
    chosen = np.digitize(confidence, edges[1:-1], right=True)
    count = np.bincount(chosen, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 in an empty bin is the NaN that is meant
        mean_confidence = np.bincount(chosen, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(chosen, weights=right, minlength=bins) / count
    return Calibration(count, mean_confidence, accuracy)
