"""Results as tables: the paper's Table 2 and Table 3, as Markdown, CSV or LaTeX."""

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

METRICS = {  # name in metrics: words, factor to the shown unit
    "train_accuracy": ("training accuracy (%)", 100),
    "train_accuracy_clean": ("training accuracy, images as they are (%)", 100),
    "test_accuracy": ("test accuracy (%)", 100),
    "test_accuracy_low": ("test accuracy, lower end of the 95 % interval (%)", 100),
    "test_accuracy_high": ("test accuracy, upper end of the 95 % interval (%)", 100),
    "test_accuracy_all": ("test accuracy, validation images included (%)", 100),
    "test_top5": ("test top-5 accuracy (%)", 100),
    "test_superclass_accuracy": ("test accuracy, superclasses (%)", 100),
    "test_errors_inside": ("errors inside the superclass (%)", 100),
    "test_errors_inside_chance": ("errors inside the superclass, by chance (%)", 100),
    "test_loss": ("test loss (nats)", 1),
    "test_ece": ("expected calibration error (%)", 100),
}
# One network's end of an interval less the other's is no end of the difference's interval, and chance improves nothing.
NOT_COMPARED = ("test_accuracy_low", "test_accuracy_high", "test_errors_inside_chance")


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


Results = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By model, in the order of the columns, and by seed: the metrics of one run (accuracies as fractions). Those of the
second of two models hold its comparison with the first on the test images, under names that `against_first` gives."""


def against_first(comparison: Mapping[str, float]) -> dict[str, float]:
    """The names under which the second model's metrics hold what `uncertainty.Difference` says."""
    return {f"difference_{name}": value for name, value in comparison.items()}


def accuracy_table(results: Results, reference: Reference | None) -> Table:
    """Table 2: a row per metric, a column per model, the improvement of the second of two, and a source's own figures.

    Over several seeds a cell is mean ± standard deviation (of a sample, n − 1), and the mean test accuracy has an
    interval that takes each run as one observation. The improvement is that of the pairs with the same seed. The
    interval of its mean takes each pair as one observation; that of a single pair takes each test image as one.

    Args:
        results: metrics of every run.
        reference: a source's figures, in the table's units; None where they are not for the same data.
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
        if metric == "test_accuracy_high":  # where the other intervals belong
            rows += _interval_of_the_means(results)
            rows += [[words, "", "", cell] for words, cell in _interval_of_the_improvement(pairs) + _mcnemar(pairs)]
    return Table(header, [row + [""] * (len(header) - len(row)) for row in rows])


def _interval_of_the_means(results: Results) -> list[list[str]]:
    """A row for either end over seeds, with a cell per model; none where no model was trained with several."""
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


def _pairs(results: Results) -> list[Pair]:
    """Runs of two models with the same seed, by seed; none where there are fewer models or more."""
    if len(results) != 2:
        return []
    first, second = results.values()
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def _gains(pairs: Sequence[Pair], metric: str) -> NDArray[np.float64]:
    """Second less first, unrounded: between rounded values 0.01 may be missing."""
    return np.array([second[metric] - first[metric] for first, second in pairs])


def _interval_of_the_improvement(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Words and cell of either end: over test images where there is one pair, over seeds where there are several."""
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


def _mcnemar(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Words and cell of the test: its p, or the least and the greatest where there are several pairs."""
    known = [f"{p:.4f}" if p >= 0.0001 else "< 0.0001" for p in sorted(_known(pairs, "mcnemar_p"))]
    if not known:
        return []
    return [("McNemar's exact test (p)", known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}")]


def _known(pairs: Sequence[Pair], name: str) -> list[float]:
    """What the second models' metrics say of their comparison with the first, if every one does.

    A run holds its last comparison; that this was with another run than the pair's, the accuracies tell.
    """
    gain, key = against_first({"test_accuracy": 0.0, name: 0.0})
    for first, second in pairs:
        if key not in second or not isclose(
            second[gain], second["test_accuracy"] - first["test_accuracy"], abs_tol=1e-9
        ):
            return []
    return [second[key] for _, second in pairs]


def _reference_cells(values: Sequence[float | None], compares: bool) -> list[str]:
    cells = ["" if value is None else f"{value:.2f}" for value in values]
    if compares:
        first, second = values
        cells.append("" if first is None or second is None else f"{second - first:+.2f}")
    return cells


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


def _mean_and_deviation(values: NDArray[np.float64], sign: str) -> str:
    mean = format(values.mean(), f"{sign}.2f")
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.2f}"
