"""Temperature scaling: one number per network that brings its confidence close to its accuracy.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2,
arXiv:1706.04599.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tinyres.evaluation.assessment import Labels, Logits, assess

HIGHEST = 20.0  # and 1/20 the lowest: a network that is always right, or always wrong, has no finite optimum


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Return the temperature T that minimises the mean cross-entropy of softmax(logits / T), from 1/20 to 20.

    The cross-entropy is convex in 1/T, so it has one minimum in T.

    Args:
        logits: Logits of images that the network was not trained on (N×K).
        labels: Their true labels (N).
    """
    exact, rows = logits.astype(np.float64), np.arange(len(labels))

    def cross_entropy(log_temperature: float) -> float:
        return float(-log_softmax(exact / np.exp(log_temperature), axis=1)[rows, labels].mean())

    limit = np.log(HIGHEST)
    found = minimize_scalar(cross_entropy, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled_figures(logits: Logits, labels: Labels, temperature: float) -> dict[str, float]:
    """Return the temperature and the test metrics that it changes, under the names that the metrics files use."""
    figures = assess(logits / np.float32(temperature), labels).figures()
    changed = ("test_loss", "test_ece", "test_ece_low", "test_ece_high")
    return {"temperature": temperature} | {name.replace("test_", "test_scaled_"): figures[name] for name in changed}
