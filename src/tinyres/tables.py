"""Results as tables: the paper's Table 2 and Table 3, as Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from tinyres.params import Reference

METRICS = {  # name in metrics: words, factor to the shown unit
    "train_accuracy": ("training accuracy (%)", 100),
    "train_accuracy_clean": ("training accuracy, images as they are (%)", 100),
    "test_accuracy": ("test accuracy (%)", 100),
    "test_accuracy_low": ("test accuracy, lower end of the 95 % interval (%)", 100),
    "test_accuracy_high": ("test accuracy, upper end of the 95 % interval (%)", 100),
    "test_accuracy_all": ("test accuracy, validation images included (%)", 100),
    "test_top5": ("test top-5 accuracy (%)", 100),
    "test_loss": ("test loss (nats)", 1),
}


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    header: list[str]
    rows: list[list[str]]

    def render(self, style: str) -> str:
        """The table as `md`, `csv` or `latex`, with a final newline."""
        if style == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
            return text.getvalue()
        numbers = ["left"] + ["right"] * (len(self.header) - 1)
        layout = {"md": "pipe", "latex": "latex_booktabs"}[style]
        return tabulate(self.rows, self.header, tablefmt=layout, colalign=numbers, disable_numparse=True) + "\n"


Results = Mapping[str, Sequence[Mapping[str, float]]]
"""By model, in the order of the columns: the metrics (accuracies as fractions) of one run per seed."""


def accuracy_table(results: Results, reference: Reference | None) -> Table:
    """Table 2: a row per metric, a column per model, the improvement of the second of two, and a source's own figures.

    Over several seeds a cell is mean ± standard deviation (of a sample, n − 1) and the improvement is that of pairs
    with the same seed, so it takes as many of either model.

    Args:
        results: metrics of every run.
        reference: a source's figures, in the table's units; None where they are not for the same data.
    """
    models = list(results)
    compares = len(models) == 2 and len({len(runs) for runs in results.values()}) == 1
    header = ["metric", *(_column(model, len(results[model])) for model in models)] + ["improvement"] * compares
    if reference is not None:
        header += [f"{reference.name}: {name}" for name in [*models, *["improvement"] * compares]]
    rows = []
    for metric, (words, factor) in METRICS.items():
        if not all(metric in run for runs in results.values() for run in runs):
            continue
        ours = [np.array([run[metric] * factor for run in results[model]]) for model in models]
        row = [words, *_cells(ours, compares)]
        if reference is not None:
            known = [reference.models.get(model, {}).get(metric) for model in models]
            row += _cells([np.array([] if value is None else [value]) for value in known], compares)
        rows.append(row)
    return Table(header, rows)


def _column(model: str, runs: int) -> str:
    return model if runs == 1 else f"{model} (n = {runs})"


def extremes_table(per_class: Mapping[str, float], best: Sequence[str], worst: Sequence[str]) -> Table:
    """Table 3: the most accurate classes beside the least accurate ones, per cent."""
    header = ["high-accuracy classes", "accuracy (%)", "lower-accuracy classes", "accuracy (%)"]
    rows = [
        [high, f"{100 * per_class[high]:.0f}", low, f"{100 * per_class[low]:.0f}"]
        for high, low in zip(best, worst, strict=True)
    ]
    return Table(header, rows)


ClassScores = Mapping[str, tuple[float, float, float, int]]


def classification_table(scores: ClassScores, reference_name: str, reference: ClassScores) -> Table:
    """Precision, recall, F1 and number of images by class, four digits, with a source's own beside them if any."""
    columns = ["precision", "recall", "F1", "images"]
    header = ["class", *columns] + [f"{reference_name}: {column}" for column in columns if reference]
    rows = []
    for name, values in scores.items():
        row = [name, *_scores(values)]
        if reference:
            row += _scores(reference[name]) if name in reference else [""] * len(columns)
        rows.append(row)
    return Table(header, rows)


def _scores(values: tuple[float, float, float, int]) -> list[str]:
    return [f"{value:.4f}" for value in values[:3]] + [str(values[3])]


def _cells(values: Sequence[NDArray[np.float64]], compares: bool) -> list[str]:
    cells = [_mean_and_deviation(each, "") for each in values]
    if compares:
        first, second = values
        # Of the unrounded values: between rounded ones 0.01 may be missing.
        cells.append(_mean_and_deviation(second - first, "+") if first.shape == second.shape else "")
    return cells


def _mean_and_deviation(values: NDArray[np.float64], sign: str) -> str:
    if not len(values):
        return ""
    mean = format(values.mean(), f"{sign}.2f")
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.2f}"
