"""Runs in a real MLflow store: found by content, continued, never doubled, and never in a training's way."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Run
from PIL import Image

from tinyres.cli.main import main
from tinyres.common.curves import write_curves
from tinyres.common.dataset import Description
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.common.training_record import Training
from tinyres.evaluation.comparison import evaluation_tag, latest_comparison
from tinyres.evaluation.results import record_results
from tinyres.evaluation.tables import accuracy_table, against_first
from tinyres.evaluation.uncertainty import compare
from tinyres.models import build, save_model
from tinyres.params import Reference
from tinyres.tracking.address import tracking_uri
from tinyres.tracking.inputs import images_of
from tinyres.tracking.recorder import MLflowRecord
from tinyres.tracking.store import WEIGHTS, Store

HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "test_accuracy": 0.1 * epoch, "lr": 0.1, "timestamp": 1e9 + epoch}
    for epoch in (1, 2, 3)
]


@pytest.fixture
def root(root: Path, empty_store: Path) -> Path:
    """A repository with an empty store."""
    shutil.copyfile(empty_store, root / "mlflow.db")
    return root


def saved_model(root: Path) -> Path:
    """A model folder with random weights."""
    spec = {"architecture": "cnn", "stem": None, "standardise": False}
    description = ModelDescription(
        "net", spec, ["cat", "dog"], (8, 8), [0.0] * 3, [1.0] * 3, {"params": {"lr": 0.1}, "data": "d"}
    )
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
    main()


def test_the_table_over_seeds_is_a_hand_calculation_and_names_what_it_leaves_out(root, monkeypatch, capsys):
    """Differences of 5, 8 and 2 points: mean 5, standard deviation 3; the interval is 5 ± 4.3027 · 3 / √3, and so
    for the models' own 51 ± 1 and 56 ± 3.6056."""
    store = Store.open("some")
    for seed, (one, two) in enumerate([(0.50, 0.55), (0.52, 0.60), (0.51, 0.53)]):
        for lr in (0.2, 0.1):  # the later ones are those of the last evaluation
            tags = evaluation_tag(["a", "b"], None)
            evaluated_run(store, "a", seed, one + lr - 0.1, tags, lr)
            evaluated_run(store, "b", seed, two + lr - 0.1, tags, lr)
    others = [run.info.run_id for run in store.runs_with({}) if run.data.params["lr"] == "0.2"]
    assert len(others) == 6
    capsys.readouterr()  # what MLflow said when it made the store: whether it does depends on what ran before

    table_command(monkeypatch, "--format", "csv")
    printed = capsys.readouterr()
    assert list(csv.reader(io.StringIO(printed.out))) == [
        ["metric", "a (n = 3)", "b (n = 3)", "improvement (n = 3)"],
        ["test accuracy (%)", "51.00 ± 1.00", "56.00 ± 3.61", "+5.00 ± 3.00"],
        ["mean test accuracy over seeds, lower end of the 95 % interval (%)", "48.52", "47.04", ""],
        ["mean test accuracy over seeds, upper end of the 95 % interval (%)", "53.48", "64.96", ""],
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
    (root / "mlflow.db").unlink()
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


def training(name: str, params: dict[str, float]) -> Training:
    data = Description("digits", ["0", "1"], None, (8, 8), {"train": 2, "test": 2}, None, [0.5] * 3, [0.5] * 3)
    return Training(name, "key", params, data, "data's hash", "a machine")


def train(model: Path, seconds_later: int = 0) -> None:
    """What a training stage tells MLflow."""
    record = MLflowRecord("some", training("net", {"lr": 0.1}), {"tinyres.stage": "train-net"})
    history = [record | {"timestamp": record["timestamp"] + seconds_later} for record in HISTORY]
    record.epochs(history[:1])
    record.finish(history, model)


def evaluate(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later stage tells MLflow, in the folder of the study."""
    monkeypatch.chdir(root)
    write_curves(root / "plots/history/net.csv", HISTORY)
    (root / "table.md").write_text("a table")
    (root / "params.yaml").write_text("lr: 0.1\n")
    record_results("some", {"net": {"test_accuracy": 0.5}}, [Path("table.md")], "evaluate", {"evaluated": "yes"})


def stored(store: Store) -> list[dict[str, Any]]:
    """Everything that the runs of an experiment hold, oldest first, but for ids and the times of single figures."""
    client = store.client
    return [
        {
            "status": run.info.status,
            "params": run.data.params,
            "tags": {name: value for name, value in run.data.tags.items() if name.startswith(("tinyres.", "eval"))},
            "curves": {
                name: [(point.step, point.value, None if name.startswith("final/") else point.timestamp) for point in
                       client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
            "files": [file.path for file in client.list_artifacts(run.info.run_id, "evaluate")],
            "models": len(run.outputs.model_outputs),
        }
        for run in reversed(store.runs_with({}))
    ]  # fmt: skip


def sync_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["tinyres", "sync"])
    main()


@pytest.fixture
def server_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def server_back(tmp_path: Path) -> str:
    """Another store, which takes the server's place."""
    return f"sqlite:///{tmp_path}/server/mlflow.db"


def test_a_server_that_is_not_there_stops_no_training(root, server_down, capsys):
    train(saved_model(root))
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "warning: MLflow at http://127.0.0.1:9 cannot be reached; see that it runs. The training goes on; its curves "
        "are sent again later.",
        "warning: MLflow at http://127.0.0.1:9 cannot be reached; see that it runs, then `tinyres sync` sends the "
        f"training of net, kept in {root}/.mlflow-spool.",
    ]


def test_what_was_kept_is_sent_once_and_is_what_an_undisturbed_run_holds(root, server_down, server_back, monkeypatch):
    model = saved_model(root)
    train(model)
    evaluate(root, monkeypatch)
    waiting = sorted((root / ".mlflow-spool").glob("[0-9]*"))
    assert [(folder / "model/model.safetensors").exists() for folder in waiting] == [True, False], "one copy is enough"
    twice = {folder.name: shutil.copytree(folder, root / "saved" / folder.name) for folder in waiting}
    shutil.copytree(model, root / "kept")
    shutil.rmtree(model)  # as the folder of a queued experiment

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_back)
    sync_command(monkeypatch)
    (sent,) = stored(Store.open("some"))
    assert not list((root / ".mlflow-spool").glob("[0-9]*"))
    for name, copy in twice.items():  # as if the process had been killed before it removed them
        copy.rename(root / ".mlflow-spool" / name)
    sync_command(monkeypatch)
    assert stored(Store.open("some")) == [sent]

    shutil.copytree(root / "kept", model)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/undisturbed/mlflow.db")
    train(model)
    evaluate(root, monkeypatch)
    assert stored(Store.open("some")) == [sent]


def test_a_later_stage_that_finds_the_server_back_sends_the_training_first(root, server_down, server_back, monkeypatch):
    train(saved_model(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_back)
    evaluate(root, monkeypatch)
    (run,) = stored(Store.open("some"))
    assert run["status"] == "FINISHED"
    assert "tinyres.restored" not in run["tags"]
    assert [step for step, _, _ in run["curves"]["train_loss"]] == [1, 2, 3]
    assert run["curves"]["final/test_accuracy"] == [(1, 0.5, None)]
    assert not list((root / ".mlflow-spool").glob("[0-9]*"))


def test_the_same_training_again_has_a_run_of_its_own(root):
    model = saved_model(root)
    train(model)
    train(model, seconds_later=60)
    assert len(stored(Store.open("some"))) == 2


def test_sync_without_a_server_says_so_and_keeps_everything(root, server_down, server_back, monkeypatch, capsys):
    train(saved_model(root))
    capsys.readouterr()
    with pytest.raises(
        SystemExit, match=r"cannot be reached; see that it runs, then run `tinyres sync` again \(1 kept"
    ):
        sync_command(monkeypatch)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(SystemExit, match="is meant for another store; set MLFLOW_TRACKING_URI to it"):
        sync_command(monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_back)
    sync_command(monkeypatch)
    assert capsys.readouterr().out == "sent: training of net, experiment some\n"
    sync_command(monkeypatch)
    assert capsys.readouterr().out == "There is nothing to send.\n"


def test_a_deleted_experiment_keeps_its_own_and_holds_up_no_other(root, server_down, server_back, monkeypatch):
    model = saved_model(root)
    train(model)
    MLflowRecord("other", training("net", {}), {}).finish(HISTORY, model)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_back)
    store = Store.open("some")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(SystemExit, match="'some' was deleted; restore it in the UI"):
        sync_command(monkeypatch)
    assert len(stored(Store.open("other"))) == 1
    store.client.restore_experiment(store.experiment_id)
    sync_command(monkeypatch)
    assert len(stored(store)) == 1


def test_a_disk_that_takes_nothing_either_is_told_and_stops_nothing(root, server_down, capsys):
    (root / ".mlflow-spool").write_text("in the way")
    train(saved_model(root))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("warning: MLflow at ")
    assert "the training of net is not recorded" in last
    assert "its files are complete" in last


DIGITS = Description(
    "digits", ["0", "1"], None, (8, 8), {"train": 3, "validation": 0, "test": 2}, None, [0.5] * 3, [0.5] * 3,
    {"train": "a" * 64, "validation": "c" * 64, "test": "b" * 64},
)  # fmt: skip


def inputs(run: Run) -> dict[str, tuple[str, str, int]]:
    """The data sets of a run by their use: name, digest and number of images."""
    return {
        each.tags[0].value: (each.dataset.name, each.dataset.digest, json.loads(each.dataset.profile)["num_rows"])
        for each in run.inputs.dataset_inputs
    }


DATA = {"training": ("digits-train", "a" * 12, 3), "test": ("digits-test", "b" * 12, 2)}


def train_on_digits(model: Path, tags: dict[str, str]) -> None:
    record = MLflowRecord("some", Training("net", "key", {"lr": 0.1}, DIGITS, "data's hash", "a machine"), tags)
    record.finish(HISTORY, model)


def test_a_run_names_its_data_and_says_in_a_sentence_what_it_is(root, monkeypatch):
    monkeypatch.chdir(root)
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/images.json").write_text(json.dumps({"passed_over": {"no image": 1234}}))
    train_on_digits(saved_model(root), {"tinyres.stage": "train-net"})
    store = Store.open("some")
    (run,) = store.runs_with({})
    assert inputs(run) == DATA
    assert json.loads(run.inputs.dataset_inputs[0].dataset.profile)["passed_over"] == {"no image": 1234}
    assert run.data.tags["mlflow.note.content"] == (
        "**net**, trained by the stage `train-net` on 2 classes of digits: 3 training images, 2 test images. "
        "Files passed over: no image: 1,234."
    )
    assert store.client.get_experiment(store.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"


def test_what_was_kept_brings_its_data_and_its_pictures_once(root, server_down, server_back, monkeypatch):
    monkeypatch.chdir(root)
    train_on_digits(saved_model(root), {})
    write_curves(root / "plots/history/net.csv", HISTORY)
    (root / "params.yaml").write_text("lr: 0.1\n")
    Image.new("RGB", (4, 3), (1, 2, 255)).save(root / "confusion_net.png")
    record_results("some", {"net": {"test_accuracy": 0.5}}, [Path("confusion_net.png")], "evaluate", {}, ["confusion"])
    twice = shutil.copytree(root / ".mlflow-spool", root / "saved")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_back)
    sync_command(monkeypatch)
    shutil.copytree(twice, root / ".mlflow-spool", dirs_exist_ok=True)  # as if the process had been killed
    sync_command(monkeypatch)
    store = Store.open("some")
    (run,) = store.runs_with({})
    assert inputs(run) == DATA
    places = [file.path for file in store.client.list_artifacts(run.info.run_id, "images")]
    (picture,) = [place for place in places if place.endswith(".png")]
    assert picture.startswith("images/confusion+step+0+")
    with Image.open(store.client.download_artifacts(run.info.run_id, picture, str(root))) as image:
        assert np.unique(np.asarray(image).reshape(-1, 3), axis=0).tolist() == [[1, 2, 255]]


def test_a_spool_kept_by_the_code_before_runs_named_their_data_is_sent_whole(root, monkeypatch):
    shutil.copytree(Path(__file__).parent / "spool_without_images", root / ".mlflow-spool")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/server/mlflow.db")
    sync_command(monkeypatch)
    assert not list((root / ".mlflow-spool").glob("[0-9]*"))
    (run,) = stored(Store.open("some"))
    assert run["status"] == "FINISHED"
    assert run["curves"]["final/test_accuracy"] == [(1, 0.5, None)]
    assert run["files"] == ["evaluate/table.md"]


@pytest.mark.parametrize("first", ["with data", "without"])
def test_a_training_goes_on_with_its_run_across_the_change(root, first):
    """Code from before runs named their data makes the calls of `without`."""
    model, store = saved_model(root), Store.open("some")
    start = ("net", "key", {"lr": 0.1}, {})
    begun = store.start_training_run(*start)
    if first == "with data":
        store.log_images(begun, images_of(DIGITS, {}))
        assert store.start_training_run(*start) == begun
        store.log_history(begun, HISTORY)
        store.finish(begun)
    else:
        store.log_history(begun, HISTORY[:1])
        train_on_digits(model, {})
    (run,) = store.runs_with({}, status="FINISHED")
    assert run.info.run_id == begun
    assert inputs(run) == DATA
    assert len(store.client.get_metric_history(begun, "train_loss")) == len(HISTORY)


def test_an_experiment_of_an_earlier_version_gets_its_kind_when_something_is_written(root):
    store = Store.open("some")
    store.client.delete_experiment_tag(store.experiment_id, "mlflow.experimentKind")
    Store.open("some", create=False)
    assert "mlflow.experimentKind" not in store.client.get_experiment(store.experiment_id).tags
    Store.open("some")
    assert "mlflow.experimentKind" in store.client.get_experiment(store.experiment_id).tags
