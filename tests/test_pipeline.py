"""The paper's study through the real DVC and MLflow, on scikit-learn's digits and on CIFAR-100 itself."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from pipeline import ALL, TRAININGS, Clone

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def applied(quickstart: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the quickstart after `dvc exp apply quickstart`, its results committed."""
    clone = quickstart.copy(tmp_path_factory.mktemp("study"))
    assert clone.run("git", "status", "--porcelain") == "", "a temporary experiment leaves the workspace clean"
    clone.run("dvc", "exp", "apply", "quickstart")
    clone.commit("quickstart applied")
    return clone


def client_of(clone: Clone) -> MlflowClient:
    return MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")


def runs_of(clone: Clone) -> dict[str, mlflow.entities.Run]:
    """The newest run of each model."""
    client = client_of(clone)
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, order_by=["attributes.start_time ASC"])
    return {run.data.tags["tinyres.model"]: run for run in runs}


def test_after_apply_nothing_is_left_to_run(applied):
    assert applied.repro() == set()


def test_results_are_all_there(applied):
    evaluation = json.loads(applied.read("metrics/evaluate.json"))
    difference = evaluation.pop("difference")
    assert set(evaluation) == {"baseline", "modified"}
    gained = evaluation["modified"]["test_accuracy"] - evaluation["baseline"]["test_accuracy"]
    assert difference["test_accuracy"] == pytest.approx(gained)
    assert difference["test_accuracy_low"] <= gained <= difference["test_accuracy_high"]
    for name in evaluation:
        history = list(csv.DictReader(io.StringIO(applied.read(f"plots/history/{name}.csv"))))
        assert list(history[0]) == ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr"]
        assert [row["epoch"] for row in history] == ["1", "2"]
        assert float(history[-1]["test_accuracy"]) == pytest.approx(evaluation[name]["test_accuracy"], rel=1e-5)
        training = json.loads(applied.read(f"metrics/train_{name}.json"))
        assert training["train_accuracy"] == pytest.approx(float(history[-1]["train_accuracy"]), rel=1e-5)
    per_class = list(csv.DictReader(io.StringIO(applied.read("metrics/evaluation/per_class.csv"))))
    assert len(per_class) == 10
    mean = np.mean([float(row["modified"]) for row in per_class])
    assert mean == pytest.approx(evaluation["modified"]["test_accuracy"], abs=1e-3)  # classes of equal size
    assert set(json.loads(applied.read("metrics/embed.json"))["modified"]) == {"class_knn", "class_silhouette"}


def test_runs_hold_parameters_curves_final_figures_figures_and_lineage(applied):
    evaluation = json.loads(applied.read("metrics/evaluate.json"))
    client = client_of(applied)
    for name, run in runs_of(applied).items():
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"quickstart/{name}"
        params = run.data.params
        assert params["lr"] == "0.001"
        assert params["epochs"] == "2"
        assert params["model.stem.kernel"] == {"baseline": "7", "modified": "3"}[name]
        assert params["augment.online.crop_padding"] == "1"
        history = client.get_metric_history(run.info.run_id, "test_accuracy")
        assert [point.step for point in history] == [1, 2]
        final = {key[6:]: value for key, value in run.data.metrics.items() if key.startswith("final/")}
        assert final | evaluation[name] == final
        against_first = {f"difference_{key}": value for key, value in evaluation["difference"].items()}
        assert (final | against_first == final) == (name == "modified")
        assert run.data.tags["tinyres.stage"] == f"train-{name}"
        assert run.data.tags["dvc.experiment"] == "quickstart"
        assert len(run.data.tags["git.commit"]) == 40
        assert run.data.tags["git.clean"] in ("true", "false")
        assert len(run.data.tags["tinyres.data"]) == 64
        files = {file.path for file in client.list_artifacts(run.info.run_id, "evaluate")}
        assert {"evaluate/table.md", "evaluate/accuracy.png", f"evaluate/confusion_{name}.png"} <= files
        assert {"evaluate/reliability.png", "evaluate/class_gain.png"} <= files
        assert [file.path for file in client.list_artifacts(run.info.run_id, "embed")] == ["embed/tsne.png"]


def test_the_model_in_mlflow_takes_stored_images_and_agrees_with_evaluate(applied, monkeypatch):
    mlflow.set_tracking_uri(f"sqlite:///{applied.folder}/mlflow.db")
    run = runs_of(applied)["modified"]
    model_id = run.outputs.model_outputs[0].model_id
    images = np.load(applied.folder / "data/subset/test/images.npy")
    labels = np.load(applied.folder / "data/subset/test/labels.npy")
    probabilities = mlflow.pyfunc.load_model(f"models:/{model_id}").predict(images)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() == pytest.approx(run.data.metrics["final/test_accuracy"])


def test_the_model_in_mlflow_holds_a_copy_of_its_card(applied, tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{applied.folder}/mlflow.db")
    model_id = runs_of(applied)["modified"].outputs.model_outputs[0].model_id
    copy = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=str(tmp_path))) / "cards/modified"
    for name in ("README.md", "temperature.json"):
        assert (copy / name).read_text() == applied.read(f"cards/modified/{name}")


def test_the_table_comes_from_the_store_alone(applied, tmp_path):
    expected = applied.read("metrics/table.csv")
    for name in ("metrics", "plots", "models", "data"):
        shutil.move(applied.folder / name, tmp_path / name)
    try:
        assert applied.tinyres("table", "--format", "csv") == expected
    finally:
        for name in ("metrics", "plots", "models", "data"):
            shutil.move(tmp_path / name, applied.folder / name)
    refused = applied.tinyres_in_process("table", "--experiment", "none", status=1)
    assert "has no experiment 'none'" in refused
    assert "Traceback" not in refused


@pytest.mark.slow
def test_everything_again_gives_the_same_bytes(applied):
    before = applied.read("dvc.lock")
    assert applied.repro("--force") == ALL
    assert applied.read("dvc.lock") == before


def test_a_parameter_that_does_not_fit_is_refused_by_the_first_stage(applied):
    output = applied.run("dvc", "repro", "--dry")  # up to date
    assert "up to date" in output
    params = applied.folder / "params.yaml"
    params.write_text(params.read_text().replace("lr: 0.001", "lr: abc"))
    refused = applied.run("dvc", "repro", status=255)
    assert "error: params.yaml: lr is 'abc'" in refused
    assert "Traceback" not in refused
    applied.run("git", "checkout", "-q", ".")


@pytest.mark.slow
@pytest.mark.skipif("CIFAR100_ARCHIVE" not in os.environ, reason="CIFAR100_ARCHIVE does not name the archive")
def test_the_study_on_real_aquatic_mammals(mammals, tmp_path):
    """A short version of `dvc exp run -S subset.classes=aquatic_mammals -S epochs=3`, from its data to its tables."""
    clone = mammals.copy(tmp_path)
    clone.set_params("epochs=1")
    assert clone.repro("evaluate") == TRAININGS | {"evaluate"}
    dataset = json.loads(clone.read("data/subset/dataset.json"))
    assert dataset["classes"] == ["beaver", "dolphin", "otter", "seal", "whale"]
    assert dataset["sizes"] == {"train": 300, "test": 300}
    assert "paper" not in clone.read("metrics/table.md"), "the paper's figures are for 100 classes"
    assert Path(clone.folder / "plots/evaluation/confusion_modified.png").stat().st_size > 10_000
    assert "superclass" not in clone.read("metrics/table.md"), "there is only one"
