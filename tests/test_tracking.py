"""Runs in a real MLflow store: found by content, continued, never doubled, and never in a training's way."""

from pathlib import Path

import pytest

from tinyres.errors import UserError
from tinyres.models import ModelDescription, build, save_model, weights_hash
from tinyres.params import Reference
from tinyres.tables import accuracy_table
from tinyres.tracking import WEIGHTS, Recorder, Store, evaluation_tag, latest_comparison, tracking_uri

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


def test_the_table_averages_over_seeds_and_leaves_other_parameters_out(root):
    store = Store.open("some")
    for seed, (one, two) in enumerate([(0.50, 0.55), (0.52, 0.60), (0.51, 0.53)]):
        tags = evaluation_tag(["a", "b"], None)
        evaluated_run(store, "a", seed, one, tags)
        evaluated_run(store, "b", seed, two, tags)
    other = evaluated_run(store, "a", 0, 0.9, {**tags, "tinyres.evaluation": "0"}, lr=0.2)
    comparison = latest_comparison("some")
    assert accuracy_table(comparison.figures, None).rows == [
        ["test accuracy (%)", "51.00 ± 1.00", "56.00 ± 3.61", "+5.00 ± 3.00"]
    ]
    assert [(run.info.run_id, names) for run, names in comparison.left_out] == [(other, ["lr"])]


def test_of_the_same_seed_the_newest_run_counts(root):
    store = Store.open("some")
    for accuracy in (0.3, 0.4):
        evaluated_run(store, "a", 0, accuracy, evaluation_tag(["a"], None))
    assert latest_comparison("some").figures == {"a": [{"test_accuracy": 0.4}]}


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
