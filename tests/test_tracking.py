"""Runs in a real MLflow store: found by content, continued, never doubled, and never in a training's way."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from tinyres import cli
from tinyres.errors import UserError
from tinyres.models import ModelDescription, build, save_model, weights_hash
from tinyres.params import Reference
from tinyres.tables import accuracy_table, against_first
from tinyres.tracking.comparison import evaluation_tag, latest_comparison
from tinyres.tracking.recorder import Recorder
from tinyres.tracking.store import WEIGHTS, Store, tracking_uri
from tinyres.uncertainty import compare

HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "test_accuracy": 0.1 * epoch, "lr": 0.1, "timestamp": 1e9 + epoch}
    for epoch in (1, 2, 3)
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without a store yet."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return tmp_path


def saved_model(root: Path) -> Path:
    """A model folder with random weights."""
    spec = {"architecture": "cnn", "stem": None, "standardise": False}
    description = ModelDescription("net", spec, ["cat", "dog"], (8, 8), [0.0] * 3, [1.0] * 3, {})
    save_model(root / "models/net", build(description), description)
    return root / "models/net"


def evaluated_run(store: Store, name: str, seed: int, accuracy: float, tags: dict[str, str], lr: float = 0.1) -> str:
    run_id = store.start_training_run(name, f"{name}-{seed}-{lr}", {"seed": seed, "lr": lr}, {})
    store.log_final(run_id, {"test_accuracy": accuracy}, tags)
    store.finish(run_id)
    return run_id


def test_the_store_is_at_the_root_with_absolute_places_for_artifacts(root):
    store = Store.open("some")
    assert tracking_uri() == f"sqlite:///{root}/mlflow.db"
    assert store.client.get_experiment(store.experiment_id).artifact_location == f"file://{root}/mlartifacts/some"


def test_an_unfinished_training_goes_on_with_its_run_and_adds_no_epoch_twice(root):
    first = Store.open("some")
    run_id = first.start_training_run("net", "key", {"lr": 0.1, "model": {"stem": {"kernel": 3}}}, {"stage": "train"})
    first.log_history(run_id, HISTORY[:2])
    again = Store.open("some")
    assert again.start_training_run("net", "key", {}, {}) == run_id
    assert again.start_training_run("net", "other key", {}, {}) != run_id
    again.log_history(run_id, HISTORY)
    points = again.client.get_metric_history(run_id, "test_accuracy")
    assert [(point.step, point.value) for point in points] == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.3))]
    assert again.client.get_run(run_id).data.params == {"lr": "0.1", "model.stem.kernel": "3"}
    again.finish(run_id)
    assert again.start_training_run("net", "key", {}, {}) != run_id, "a finished training is another run"


def test_a_run_is_found_by_its_weights(root):
    store = Store.open("some")
    run_id = store.start_training_run("net", "key", {}, {})
    store.log_final(run_id, {}, {WEIGHTS: "abc"})
    assert [run.info.run_id for run in store.runs_with({WEIGHTS: "abc"})] == [run_id]
    assert store.runs_with({WEIGHTS: "abd"}) == []


def table_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["tinyres", "table", "--experiment", "some", *arguments])
    cli.main()


def test_the_table_over_seeds_is_a_hand_calculation_and_names_what_it_leaves_out(root, monkeypatch, capsys):
    """Differences of 5, 8 and 2 points: mean 5, standard deviation 3; the interval is 5 ± 4.3027 · 3 / √3."""
    store = Store.open("some")
    for seed, (one, two) in enumerate([(0.50, 0.55), (0.52, 0.60), (0.51, 0.53)]):
        for lr in (0.2, 0.1):  # the later ones are those of the last evaluation
            tags = evaluation_tag(["a", "b"], None)
            evaluated_run(store, "a", seed, one + lr - 0.1, tags, lr)
            evaluated_run(store, "b", seed, two + lr - 0.1, tags, lr)
    others = [run.info.run_id for run in store.runs_with({}) if run.data.params["lr"] == "0.2"]
    assert len(others) == 6

    table_command(monkeypatch, "--format", "csv")
    printed = capsys.readouterr()
    assert list(csv.reader(io.StringIO(printed.out))) == [
        ["metric", "a (n = 3)", "b (n = 3)", "improvement (n = 3)"],
        ["test accuracy (%)", "51.00 ± 1.00", "56.00 ± 3.61", "+5.00 ± 3.00"],
        ["improvement of mean test accuracy, lower end of the 95 % interval (points)", "", "", "-2.45"],
        ["improvement of mean test accuracy, upper end of the 95 % interval (points)", "", "", "+12.45"],
    ]
    told = printed.err.splitlines()
    assert sorted(line.split()[3] for line in told) == sorted(others)
    assert all(line.startswith("left out: run ") and line.endswith(" differs in lr") for line in told)

    table_command(monkeypatch, "--runs")
    behind = [line.split()[4] for line in capsys.readouterr().out.splitlines()]
    assert len(behind) == 6
    assert not set(behind) & set(others)


def test_a_pair_brings_its_interval_and_its_test_from_the_store(root):
    store = Store.open("some")
    tags = evaluation_tag(["a", "b"], None)
    difference = compare(np.arange(100) < 60, np.arange(100) < 70)
    evaluated_run(store, "a", 0, 0.6, tags)
    run_id = evaluated_run(store, "b", 0, 0.7, tags)
    store.log_final(run_id, against_first(difference.figures()), {})
    comparison = latest_comparison("some")
    ends = [f"{100 * end:+.2f}" for end in (difference.test_accuracy_low, difference.test_accuracy_high)]
    cells = [row[3] for row in accuracy_table(comparison.figures, None).rows]
    assert cells == ["+10.00", *ends, f"{2 / 2**10:.4f}"]


def test_of_the_same_seed_the_newest_run_counts(root):
    store = Store.open("some")
    for accuracy in (0.3, 0.4):
        evaluated_run(store, "a", 0, accuracy, evaluation_tag(["a"], None))
    assert latest_comparison("some").figures == {"a": {0: {"test_accuracy": 0.4}}}


def test_a_sources_own_figures_travel_with_the_runs(root):
    reference = Reference(name="paper", source="x", classes=2, models={"a": {"test_accuracy": 70.19}}, by_class={})
    evaluated_run(Store.open("some"), "a", 0, 0.75, evaluation_tag(["a"], reference))
    comparison = latest_comparison("some")
    assert comparison.reference == reference
    assert accuracy_table(comparison.figures, comparison.reference).rows == [["test accuracy (%)", "75.00", "70.19"]]


def test_what_is_not_there_is_told_in_one_sentence(root):
    with pytest.raises(UserError, match=r"no MLflow store at .* run `dvc repro` first"):
        latest_comparison("some")
    store = Store.open("some")
    with pytest.raises(UserError, match=r"has no experiment 'sme'; it has: .*some.* Choose with --experiment"):
        latest_comparison("sme")
    with pytest.raises(UserError, match="holds no evaluated model"):
        latest_comparison("some")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(UserError, match="was deleted; restore it in the UI"):
        Store.open("some")


def test_a_server_that_is_not_there_stops_no_training(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    recorder = Recorder("some", "net", "key", {"lr": 0.1}, {})
    recorder.history(HISTORY[:1])
    recorder.history(HISTORY[:2])
    recorder.finish(HISTORY, saved_model(root))
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2, "once at the start and once at the end, not at every epoch"
    assert all("MLflow at http://127.0.0.1:9 did not take" in line for line in warnings)
    assert "the files are complete" in warnings[-1]


def test_a_server_that_comes_back_gets_every_epoch_once(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    recorder = Recorder("some", "net", "key", {"lr": 0.1}, {})
    recorder.history(HISTORY[:1])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    model = saved_model(root)
    recorder.finish(HISTORY, model)
    (run,) = Store.open("some").runs_with({WEIGHTS: weights_hash(model)})
    points = Store.open("some").client.get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in points] == [1, 2, 3]
    assert run.info.status == "FINISHED"
