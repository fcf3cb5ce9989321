"""Table 2 and Table 3 of the paper: which rows and columns, and how numbers are rounded."""

import csv
import io
import math
import statistics
from pathlib import Path

import pytest

from tinyres.cli.commands.table import experiment_name
from tinyres.common.errors import UserError
from tinyres.evaluation.tables import Table, accuracy_table, against_first, extremes_table
from tinyres.params import read_params

RESULTS = {
    "baseline": {"train_accuracy": 0.8, "train_accuracy_clean": 0.9, "test_accuracy": 0.68424, "test_loss": 1.2346},
    "modified": {"train_accuracy": 0.9, "train_accuracy_clean": 1.0, "test_accuracy": 0.68426, "test_loss": 1.1},
}


def once(results: dict) -> dict:
    """As the results of one run of each model."""
    return {model: {0: figures} for model, figures in results.items()}


PAPER = read_params("evaluate", file=Path(__file__).parents[1] / "params.yaml").evaluate.reference


def test_table_2_without_a_reference():
    table = accuracy_table(once(RESULTS), None)
    assert table.header == ["metric", "baseline", "modified", "improvement"]
    assert table.rows == [
        ["training accuracy (%)", "80.00", "90.00", "+10.00"],
        ["training accuracy, images as they are (%)", "90.00", "100.00", "+10.00"],
        ["test accuracy (%)", "68.42", "68.43", "+0.00"],
        ["test loss (nats)", "1.23", "1.10", "-0.13"],
    ]


def test_the_improvement_is_that_of_the_unrounded_values():
    row = accuracy_table(once(RESULTS), None).rows[2]
    assert row[1:3] == ["68.42", "68.43"]  # 68.424 and 68.426
    assert row[3] == "+0.00"


def test_table_2_beside_the_papers_own_figures():
    table = accuracy_table(once(RESULTS), PAPER)
    assert table.header[4:] == ["paper: baseline", "paper: modified", "paper: improvement"]
    shown = {row[0]: row[4:] for row in table.rows}
    assert shown["training accuracy (%)"] == ["82.15", "89.31", "+7.16"]
    assert shown["test accuracy (%)"] == ["68.42", "70.19", "+1.77"]
    assert shown["test loss (nats)"] == ["", "", ""]  # the paper gives none


def test_a_reference_without_one_of_the_models():
    half = PAPER.model_copy(update={"models": {"baseline": {"test_accuracy": 68.42}}})
    shown = {row[0]: row[4:] for row in accuracy_table(once(RESULTS), half).rows}
    assert shown["test accuracy (%)"] == ["68.42", "", ""]


@pytest.mark.parametrize("models", [["baseline"], ["baseline", "modified", "third"]])
def test_there_is_no_improvement_but_between_two(models):
    results = dict.fromkeys(models, RESULTS["baseline"])
    assert accuracy_table(once(results), None).header == ["metric", *models]
    assert accuracy_table(once(results), PAPER).header == ["metric", *models, *(f"paper: {name}" for name in models)]
    assert {len(row) for row in accuracy_table(once(results), PAPER).rows} == {1 + 2 * len(models)}


def test_only_metrics_that_all_models_have():
    results = {"baseline": {"test_accuracy": 0.5, "test_top5": 0.9}, "modified": {"test_accuracy": 0.6}}
    assert [row[0] for row in accuracy_table(once(results), None).rows] == ["test accuracy (%)"]


def test_table_3():
    table = extremes_table({"cat": 0.914, "dog": 0.5, "ant": 0.126}, ["cat", "dog"], ["ant", "dog"])
    assert table.header == ["high-accuracy classes", "accuracy (%)", "lower-accuracy classes", "accuracy (%)"]
    assert table.rows == [["cat", "91", "ant", "13"], ["dog", "50", "dog", "50"]]


TABLE = Table(["metric", "a_1", "b, c"], [["test accuracy (%)", "68.40", ""], ["loss", "1.00", "-0.10"]])


def test_csv_comes_back_as_it_was():
    text = TABLE.render("csv")
    assert list(csv.reader(io.StringIO(text))) == [TABLE.header, *TABLE.rows]
    assert text.endswith("\n")
    assert "\r" not in text


def test_markdown():
    assert TABLE.render("md") == (
        "| metric            |   a_1 |   b, c |\n"
        "|:------------------|------:|-------:|\n"
        "| test accuracy (%) | 68.40 |        |\n"
        "| loss              |  1.00 |  -0.10 |\n"
    )


def test_a_bar_in_a_name_is_no_border_in_markdown():
    assert Table(["class", "gain"], [["cat|dog", "1"]]).render("md").splitlines()[-1].split(" | ") == [
        r"| cat\|dog",
        "     1 |",
    ]


def test_latex_is_escaped_and_keeps_trailing_zeros():
    lines = [" ".join(line.split()) for line in TABLE.render("latex").splitlines()]
    assert lines[0] == r"\begin{tabular}{lrr}"
    assert lines[1] == r"\toprule"
    assert lines[2] == r"metric & a\_1 & b, c \\"
    assert lines[4] == r"test accuracy (\%) & 68.40 & \\"
    assert lines[-1] == r"\end{tabular}"


def by_seed(values: dict[int, float]) -> dict:
    return {seed: {"test_accuracy": value} for seed, value in values.items()}


def test_several_seeds_are_mean_and_deviation_and_improve_pair_by_pair():
    first, second = [0.10, 0.20, 0.60], [0.15, 0.35, 0.55]
    results = {"a": by_seed(dict(enumerate(first))), "b": by_seed(dict(enumerate(second)))}
    table = accuracy_table(results, None)
    assert table.header == ["metric", "a (n = 3)", "b (n = 3)", "improvement (n = 3)"]
    mean, deviation = statistics.mean, statistics.stdev
    gains = [100 * (y - x) for x, y in zip(first, second, strict=True)]
    student = 4.302652729911275 / math.sqrt(3)  # for two degrees of freedom
    half = student * deviation(gains)
    ends = [
        (100 * (mean(each) - student * deviation(each)), 100 * (mean(each) + student * deviation(each)))
        for each in (first, second)
    ]
    assert table.rows == [
        [
            "test accuracy (%)",
            f"{100 * mean(first):.2f} ± {100 * deviation(first):.2f}",
            f"{100 * mean(second):.2f} ± {100 * deviation(second):.2f}",
            f"{mean(gains):+.2f} ± {deviation(gains):.2f}",
        ],
        [SEEDS_LOWER, *(f"{low:.2f}" for low, _ in ends), ""],
        [SEEDS_UPPER, *(f"{high:.2f}" for _, high in ends), ""],
        [MEAN_LOWER, "", "", f"{mean(gains) - half:+.2f}"],
        [MEAN_UPPER, "", "", f"{mean(gains) + half:+.2f}"],
    ]


def test_only_runs_with_the_same_seed_make_a_pair():
    results = {"a": by_seed({0: 0.5, 1: 0.9, 2: 0.6}), "b": by_seed({2: 0.7, 0: 0.5, 5: 0.1})}
    table = accuracy_table(results, None)
    assert table.header == ["metric", "a (n = 3)", "b (n = 3)", "improvement (n = 2)"]
    assert table.rows[0][3] == "+5.00 ± 7.07"  # of +0 for seed 0 and +10 for seed 2
    assert accuracy_table({"a": by_seed({0: 0.5}), "b": by_seed({1: 0.6})}, None).header == ["metric", "a", "b"]


def test_an_improvement_of_one_pair_beside_means_of_more_runs_says_so():
    results = {"a": by_seed({0: 0.5}), "b": by_seed({0: 0.6, 1: 0.7})}
    table = accuracy_table(results, None)
    assert table.header == ["metric", "a (n = 1)", "b (n = 2)", "improvement (n = 1)"]
    assert [row[:2] for row in table.rows[1:]] == [[SEEDS_LOWER, ""], [SEEDS_UPPER, ""]], "one run has no interval"


LOWER, UPPER = (f"improvement of test accuracy, {end} end of the 95 % interval (points)" for end in ("lower", "upper"))
SEEDS_LOWER, SEEDS_UPPER = (
    f"mean test accuracy over seeds, {end} end of the 95 % interval (%)" for end in ("lower", "upper")
)
MEAN_LOWER, MEAN_UPPER = (
    f"improvement of mean test accuracy, {end} end of the 95 % interval (points)" for end in ("lower", "upper")
)


def compared(accuracy: float, p: float) -> dict[str, float]:
    """Metrics of a second model, with what its comparison with a first one of 50 % says."""
    return {"test_accuracy": accuracy, "test_loss": 1} | against_first(
        {"test_accuracy": accuracy - 0.5, "test_accuracy_low": -0.012, "test_accuracy_high": 0.034, "mcnemar_p": p}
    )


def test_one_pair_shows_its_interval_over_images_and_its_test():
    results = {"a": {"test_accuracy": 0.5, "test_loss": 1}, "b": compared(0.511, 0.0443)}
    assert accuracy_table(once(results), None).rows == [
        ["test accuracy (%)", "50.00", "51.10", "+1.10"],
        [LOWER, "", "", "-1.20"],
        [UPPER, "", "", "+3.40"],
        ["McNemar's exact test (p)", "", "", "0.0443"],
        ["test loss (nats)", "1.00", "1.00", "+0.00"],
    ]


def test_rows_of_the_improvement_leave_the_columns_of_a_source_empty():
    table = accuracy_table(once({"baseline": {"test_accuracy": 0.5}, "modified": compared(0.6, 0.01)}), PAPER)
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert dict(zip(table.header, table.rows[1], strict=True)) == dict.fromkeys(table.header, "") | {
        "metric": LOWER,
        "improvement": "-1.20",
    }


def test_a_tiny_p_is_no_zero_and_several_seeds_show_the_least_and_the_greatest():
    def shown(*values: float) -> str:
        a = by_seed(dict.fromkeys(range(len(values)), 0.5))
        b = {seed: compared(0.5, p) for seed, p in enumerate(values)}
        return {row[0]: row[3] for row in accuracy_table({"a": a, "b": b}, None).rows}["McNemar's exact test (p)"]

    assert shown(1e-9) == "< 0.0001"
    assert shown(1) == "1.0000"
    assert shown(1, 1) == "1.0000"
    assert shown(0.5, 0.02, 0.3) == "0.0200 to 0.5000"
    assert shown(0.5, 1e-9) == "< 0.0001 to 0.5000"


def test_a_comparison_with_another_run_than_the_pairs_first_is_not_shown():
    results = {"a": {"test_accuracy": 0.51, "test_loss": 1}, "b": compared(0.6, 0.01)}
    assert [row[0] for row in accuracy_table(once(results), None).rows] == ["test accuracy (%)", "test loss (nats)"]


def test_ends_of_intervals_and_chance_have_no_improvement():
    figures = {"test_accuracy_low": 0.4, "test_accuracy_high": 0.6, "test_errors_inside_chance": 0.04}
    table = accuracy_table(once({"a": figures, "b": {name: 2 * value for name, value in figures.items()}}), None)
    assert [row[3] for row in table.rows] == ["", "", ""]


def test_the_table_takes_the_experiments_name_from_the_workspace_and_nothing_else(tmp_path):
    text = (Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("epochs: 30", "epochs: 0").replace("lr: 0.001", "learning_rate: fast"))
    assert experiment_name(file) == "cifar100-resnet18"


@pytest.mark.parametrize(
    "content", ["lr: 1", "tracking: mine", "tracking: {}", "tracking: {experiment: null}", "tracking: {experiment: 5}"]
)
def test_a_file_that_names_no_experiment_is_answered_with_the_option(tmp_path, content):
    file = tmp_path / "params.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=r"has no name in tracking\.experiment; .* with --experiment\.$"):
        experiment_name(file)
