"""Tables of results, among them the paper's Tables 2 and 3, as Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from tinyres.evaluation.uncertainty import mean_interval
from tinyres.params import Reference

METRICS = {  # name in the metrics files: its label, and the factor to the unit shown
    "train_accuracy": ("training accuracy (%)", 100),
    "train_accuracy_clean": ("training accuracy, images as they are (%)", 100),
    "test_accuracy": ("test accuracy (%)", 100),
    "test_accuracy_low": ("test accuracy, lower end of the 95 % interval (%)", 100),
    "test_accuracy_high": ("test accuracy, upper end of the 95 % interval (%)", 100),
    "test_accuracy_all": ("test accuracy, validation images included (%)", 100),
    "test_accuracy_without_twins": ("test accuracy without twins of training images (%)", 100),
    "test_accuracy_without_suspects": ("test accuracy without suspect labels (%)", 100),
    "test_accuracy_without_both": ("test accuracy without twins and suspect labels (%)", 100),
    "test_errors_contradicted": ("errors on twins with two labels (images)", 1),
    "test_top5": ("test top-5 accuracy (%)", 100),
    "test_superclass_accuracy": ("test accuracy, superclasses (%)", 100),
    "test_errors_inside": ("errors inside the superclass (%)", 100),
    "test_errors_inside_chance": ("errors inside the superclass, by chance (%)", 100),
    "test_loss": ("test loss (nats)", 1),
    "test_ece": ("expected calibration error (%)", 100),
    "test_ece_low": ("expected calibration error, lower end of the 95 % interval (%)", 100),
    "test_ece_high": ("expected calibration error, upper end of the 95 % interval (%)", 100),
    "temperature": ("temperature fitted on validation images", 1),
    "test_scaled_loss": ("test loss at that temperature (nats)", 1),
    "test_scaled_ece": ("expected calibration error at that temperature (%)", 100),
    "test_scaled_ece_low": ("expected calibration error there, lower end of the 95 % interval (%)", 100),
    "test_scaled_ece_high": ("expected calibration error there, upper end of the 95 % interval (%)", 100),
}
# The ends of two intervals do not give an interval of the difference; chance and temperatures are no merits.
NOT_COMPARED = (
    *(f"test_{metric}_{end}" for metric in ("accuracy", "ece", "scaled_ece") for end in ("low", "high")),
    "test_errors_inside_chance",
    "temperature",
)


@dataclass(frozen=True)
class Table:
    """A table whose cells are the text to be shown."""

    header: list[str]
    rows: list[list[str]]

    def render(self, style: str) -> str:
        """Return the table as `md`, `csv` or `latex`, ending in a newline."""
        if style == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
            return text.getvalue()
        numbers = ["left"] + ["right"] * (len(self.header) - 1)
        layout = {"md": "pipe", "latex": "latex_booktabs"}[style]
        rows = self.rows
        if style == "md":  # where a bar in a class's name would be a border
            rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
        return tabulate(rows, self.header, tablefmt=layout, colalign=numbers, disable_numparse=True) + "\n"


RunMetrics = Mapping[str, Mapping[int, Mapping[str, float]]]
"""The metrics of every run (accuracies are fractions), by model, in the order of the columns, and by seed. A run of the
second of two models also holds its comparison with the first, under the names that `against_first` gives."""


def against_first(comparison: Mapping[str, float]) -> dict[str, float]:
    """Rename the metrics of `uncertainty.Difference` for a place among those of the second model's run."""
    return {difference_name(name): value for name, value in comparison.items()}


def difference_name(metric: str) -> str:
    """Return the name under which a run of the second model holds its difference from the first in a metric."""
    return f"difference_{metric}"


def accuracy_table(results: RunMetrics, reference: Reference | None) -> Table:
    """Build Table 2: a row per metric and a column per model, with the improvement of the second of two models.

    With several seeds a cell is the mean ± the sample standard deviation (n − 1), and the mean test accuracy has an
    interval for which each run is one observation. The improvement is that of pairs with the same seed. For the
    interval of the mean improvement each pair is one observation; for that of a single pair each test image is one.

    Args:
        results: The metrics of every run.
        reference: Published figures to show beside ours, in the table's units; None if they are for other data.
    """
    models = list(results)
    pairs = _pairs(results)
    several = any(len(runs) > 1 for runs in results.values())
    columns = {model: len(runs) for model, runs in results.items()} | ({"improvement": len(pairs)} if pairs else {})
    header = ["metric", *(f"{name} (n = {count})" if several else name for name, count in columns.items())]
    if reference is not None:
        header += [f"{reference.name}: {name}" for name in columns]
    rows = []
    for metric, (words, factor) in METRICS.items():
        if all(metric in run for runs in results.values() for run in runs.values()):
            ours = [np.array([run[metric] * factor for run in runs.values()]) for runs in results.values()]
            row = [words, *(_mean_and_deviation(each, "") for each in ours)]
            if pairs:
                row.append("" if metric in NOT_COMPARED else _mean_and_deviation(_gains(pairs, metric) * factor, "+"))
            if reference is not None:
                row += _reference_cells([reference.models.get(model, {}).get(metric) for model in models], bool(pairs))
            rows.append(row)
        if metric == "test_accuracy_high":  # the other intervals belong here
            rows += _interval_of_the_means(results)
            rows += [[words, "", "", cell] for words, cell in _interval_of_the_improvement(pairs) + _mcnemar(pairs)]
        if metric == "test_accuracy_without_both":
            rows += [[words, "", "", cell] for words, cell in _interval_without_both(pairs)]
    return Table(header, [row + [""] * (len(header) - len(row)) for row in rows])


def _interval_of_the_means(results: RunMetrics) -> list[list[str]]:
    """Rows for both ends of the interval over seeds, a cell per model; none if no model has several seeds."""
    several = {model: runs for model, runs in results.items() if len(runs) > 1}
    ends = {
        model: mean_interval(np.array([run["test_accuracy"] for run in runs.values()]))
        for model, runs in several.items()
        if all("test_accuracy" in run for run in runs.values())
    }
    if not ends:
        return []
    return [
        [f"mean test accuracy over seeds, {which} end of the 95 % interval (%)"]
        + [f"{100 * ends[model][end]:.2f}" if model in ends else "" for model in results]
        for end, which in enumerate(("lower", "upper"))
    ]


Pair = tuple[Mapping[str, float], Mapping[str, float]]


def _pairs(results: RunMetrics) -> list[Pair]:
    """Pairs of runs with the same seed, in the order of seeds; none unless there are exactly two models."""
    if len(results) != 2:
        return []
    first, second = results.values()
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def _gains(pairs: Sequence[Pair], metric: str) -> NDArray[np.float64]:
    """Second minus first, from unrounded values, since a difference of rounded ones can be off by 0.01."""
    return np.array([second[metric] - first[metric] for first, second in pairs])


def _interval_of_the_improvement(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Label and cell of both ends: over test images for one pair, over seeds for several."""
    of = "improvement of test accuracy"
    ends: Sequence[float] = ()
    if len(pairs) > 1 and all("test_accuracy" in run for pair in pairs for run in pair):
        of, ends = "improvement of mean test accuracy", mean_interval(_gains(pairs, "test_accuracy"))
    elif len(pairs) == 1:
        ends = _known(pairs, "test_accuracy_low") + _known(pairs, "test_accuracy_high")
    return [
        (f"{of}, {which} end of the 95 % interval (points)", f"{100 * end:+.2f}")
        for which, end in zip(("lower", "upper"), ends, strict=False)
    ]


def _interval_without_both(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Label and cell of both ends for one pair, over the test images that are neither twins nor suspect."""
    ends = _known(pairs, "without_both_low") + _known(pairs, "without_both_high") if len(pairs) == 1 else []
    of = "improvement without twins and suspect labels"
    return [
        (f"{of}, {which} end of the 95 % interval (points)", f"{100 * end:+.2f}")
        for which, end in zip(("lower", "upper"), ends, strict=False)
    ]


def _mcnemar(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Label and cell of the test: its p, or the smallest and the largest p of several pairs."""
    known = [f"{p:.4f}" if p >= 0.0001 else "< 0.0001" for p in sorted(_known(pairs, "mcnemar_p"))]
    if not known:
        return []
    return [("McNemar's exact test (p)", known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}")]


def _known(pairs: Sequence[Pair], name: str) -> list[float]:
    """One metric of the comparison in each pair; none unless every second run was compared with the first of its pair.

    A run holds only its latest comparison. If the accuracies do not fit, that was with a run other than the pair's.
    """
    if not all(_compared_with_each_other(*pair) for pair in pairs):
        return []
    key = difference_name(name)
    return [second[key] for _, second in pairs] if all(key in second for _, second in pairs) else []


def _compared_with_each_other(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    recorded = second.get(difference_name("test_accuracy"))
    return recorded is not None and isclose(recorded, second["test_accuracy"] - first["test_accuracy"], abs_tol=1e-9)


def _reference_cells(values: Sequence[float | None], compares: bool) -> list[str]:
    cells = ["" if value is None else f"{value:.2f}" for value in values]
    if compares:
        first, second = values
        cells.append("" if first is None or second is None else f"{second - first:+.2f}")
    return cells


def extremes_table(per_class: Mapping[str, float], best: Sequence[str], worst: Sequence[str]) -> Table:
    """Build Table 3: the most accurate classes beside the least accurate ones, in per cent.

    Args:
        per_class: Accuracy by class, a fraction.
        best: Names of the most accurate classes, best first.
        worst: Names of the least accurate classes, worst first; as many as `best`.
    """
    header = ["high-accuracy classes", "accuracy (%)", "lower-accuracy classes", "accuracy (%)"]
    rows = [
        [high, f"{100 * per_class[high]:.0f}", low, f"{100 * per_class[low]:.0f}"]
        for high, low in zip(best, worst, strict=True)
    ]
    return Table(header, rows)


ClassScores = Mapping[str, tuple[float, float, float, int]]
"""Precision, recall, F1 (fractions) and number of images, by class."""


def classification_table(scores: ClassScores, reference_name: str, reference: ClassScores) -> Table:
    """Tabulate precision, recall, F1 (four digits) and number of images by class, beside published scores if any."""
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


def _mean_and_deviation(values: NDArray[np.float64], sign: str) -> str:
    mean = format(values.mean(), f"{sign}.2f")
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.2f}"
