"""Assessment of one network on the test images: accuracy, loss, calibration, scores by class and confusions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tinyres.evaluation.calibration import Calibration, calibrate, error_interval
from tinyres.evaluation.uncertainty import Estimate, paired_difference, wilson_interval

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Assessment:
    """One network on N images of K classes."""

    labels: Labels
    """The true labels (N)."""
    predicted: Labels
    """The labels with the highest logit (N)."""
    probability: NDArray[np.float64]
    """The probability of each predicted label (N)."""
    top5: float | None
    """The share of images whose label is among the five highest logits; None with five classes or fewer, where it is
    always 1."""
    loss: float
    """Mean cross-entropy in nats."""
    confusion: NDArray[np.int64]
    """Confusion matrix (K×K): the number of images by actual (row) and predicted (column) label."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is correct (N)."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy, a fraction."""
        return float(self.correct.mean())

    @property
    def calibration(self) -> Calibration:
        """Confidence against accuracy, in bins."""
        return calibrate(self.probability, self.correct)

    @property
    def per_class(self) -> NDArray[np.float64]:
        """Accuracy on each class, fractions (K); NaN for a class without images."""
        counts = self.confusion.sum(axis=1)
        return np.divide(self.confusion.diagonal(), counts, out=np.full(len(counts), np.nan), where=counts > 0)

    def figures(self) -> dict[str, float]:
        """Return the scalar metrics under the names that the metrics files and MLflow use.

        The intervals at 95 % are Wilson's for the accuracy and a bootstrap's for the calibration error.
        """
        low, high = wilson_interval(int(self.correct.sum()), len(self.labels))
        figures = {"test_accuracy": self.accuracy, "test_accuracy_low": low, "test_accuracy_high": high}
        if self.top5 is not None:
            figures["test_top5"] = self.top5
        low, high = error_interval(self.probability, self.correct)
        calibration = {"test_ece": self.calibration.error, "test_ece_low": low, "test_ece_high": high}
        return figures | {"test_loss": self.loss} | calibration


def assess(logits: Logits, labels: Labels) -> Assessment:
    """Assess logits (N×K) against the true labels (N)."""
    classes = logits.shape[1]
    ranked = np.argsort(-logits, axis=1, kind="stable")
    predicted, rows = ranked[:, 0], np.arange(len(labels))
    top5 = float((ranked[:, :5] == labels[:, None]).any(axis=1).mean()) if classes > 5 else None
    log_probability = log_softmax(logits.astype(np.float64), axis=1)
    return Assessment(
        labels=labels,
        predicted=predicted,
        probability=np.exp(log_probability[rows, predicted]),
        top5=top5,
        loss=float(-log_probability[rows, labels].mean()),
        confusion=confusion_matrix(labels, predicted, labels=np.arange(classes)),
    )


def most_confused(confusion: NDArray[np.int64], count: int) -> list[tuple[int, int, int]]:
    """Return up to `count` pairs of classes with the most confusions: (actual, predicted, images), most first."""
    mistakes = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, mistakes.shape)
    return [
        (int(row), int(column), int(mistakes[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if mistakes[row, column]
    ]


def best_and_worst(per_class: NDArray[np.float64], count: int) -> tuple[list[int], list[int]]:
    """Return the labels of the most and of the least accurate classes, as in the paper's Table 3; ties by label."""
    order = np.argsort(-per_class, kind="stable").tolist()
    return order[:count], np.argsort(per_class, kind="stable").tolist()[:count]


def class_gains(first: Assessment, second: Assessment) -> list[tuple[int, Estimate]]:
    """Return how much more accurate the second network is on each class: (label, fraction), largest gain first.

    Ties are in the order of labels; classes without images are left out.
    """
    gains = []
    for label in np.unique(first.labels).tolist():
        images = first.labels == label
        gains.append((label, paired_difference(first.correct[images], second.correct[images])))
    return sorted(gains, key=lambda gain: -gain[1].value)


def per_class_rows(
    assessments: Mapping[str, Assessment], classes: Sequence[str], superclasses: Sequence[str] | None
) -> list[dict[str, str]]:
    """Return one row per class: its name, its superclass, and each network's accuracy on it (a fraction)."""
    rows = []
    for label, name in enumerate(classes):
        row = {"class": name, "superclass": superclasses[label] if superclasses else ""}
        rows.append(row | {model: f"{each.per_class[label]:.4f}" for model, each in assessments.items()})
    return rows


def classification_rows(assessment: Assessment, classes: Sequence[str]) -> dict[str, tuple[float, float, float, int]]:
    """Return precision, recall, F1 and number of images by class, followed by their plain and their weighted mean."""
    labels = np.arange(len(classes))
    scores = precision_recall_fscore_support(assessment.labels, assessment.predicted, labels=labels, zero_division=0)
    precision, recall, f1, support = scores
    rows = {
        name: (float(precision[k]), float(recall[k]), float(f1[k]), int(support[k])) for k, name in enumerate(classes)
    }
    for name, weights in (("mean of the classes", np.ones(len(classes))), ("mean, weighted by images", support)):
        means = [float(np.average(score, weights=weights)) for score in (precision, recall, f1)]
        rows[name] = (means[0], means[1], means[2], int(support.sum()))
    return rows
