"""`tinyres experiments` shows the study that was asked for, and no other's constants."""

from typing import Any

import pytest

from tinyres.cli.experiments import experiments_of


def revision(name: str | None, lr: float, cnn_lr: float, accuracy: float, cnn_accuracy: float) -> dict[str, Any]:
    """As `dvc exp show --json` of DVC 3.67 has it."""
    params = {
        "params.yaml": {"lr": lr, "seed": 0},
        "studies/small/params.yaml": {"lr": cnn_lr, "online": {"flip": 0.5}},
    }
    metrics = {
        "metrics/summary.json": {"modified": {"test_accuracy": accuracy}},
        "metrics/train_modified.json": {"epochs": 30},
        "studies/small/metrics/summary.json": {"cnn": {"test_accuracy": cnn_accuracy}},
    }
    data = {
        kind: {file: {"data": values} for file, values in files.items()}
        for kind, files in (("params", params), ("metrics", metrics))
    }
    return {"rev": "0123456789", "name": name, "data": data, "experiments": None}


def experiments(*revisions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": each["name"], "revs": [each], "executor": None} for each in revisions]


SHOWN = [
    revision("workspace", 0.1, 0.2, 0.7, 0.6),
    revision("main", 0.1, 0.2, 0.7, 0.6)
    | {
        "experiments": experiments(
            revision("faster", 0.5, 0.2, 0.71234, 0.6),
            revision("small-one", 0.1, 0.3, 0.7, 0.65),
            {"rev": "abcdef0123", "name": None, "data": None},
        )
    },
]


@pytest.mark.parametrize(
    ("study", "columns", "names", "last"),
    [
        (".", ["experiment", "lr", "modified.test_accuracy"], ["workspace", "main", "faster"],
         ["faster", "0.5", "0.7123"]),
        ("studies/small", ["experiment", "lr", "cnn.test_accuracy"], ["workspace", "main", "small-one"],
         ["small-one", "0.3", "0.65"]),
    ],
)  # fmt: skip
def test_each_study_has_its_own_experiments_parameters_and_metrics(study, columns, names, last):
    found, rows = experiments_of(SHOWN, study)
    finished = [row for row in rows if row["experiment"] != "abcdef0"]
    assert found == columns
    assert [row["experiment"] for row in finished] == names
    assert [finished[-1][column] for column in columns] == last


def test_an_experiment_without_results_is_a_line_without_values():
    _, rows = experiments_of(SHOWN, ".")
    assert rows[-1] == {"experiment": "abcdef0"}
