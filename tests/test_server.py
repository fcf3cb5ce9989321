"""The whole quickstart against a real MLflow server on a real PostgreSQL."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from pipeline import Clone
from server import Server, curves, mlflow_server, postgresql, stored_curves

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def on_postgresql(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clone, Server]]:
    """A clone in which `make quickstart`, of two epochs, ran against a server on PostgreSQL, its results applied.

    What the command leaves to params.yaml, as the number of images, is that of the tests.
    """
    clone = digits.copy(tmp_path_factory.mktemp("study"))
    (clone.folder / "mlflow.db").unlink()
    with postgresql() as store, mlflow_server(tmp_path_factory.mktemp("server"), store) as server:
        quickstart = ["make", "quickstart", "--old-file=setup", f"VENV={sys.prefix}", "QUICKSTART_EPOCHS=2"]
        said = clone.run(*quickstart, MLFLOW_TRACKING_URI=server.uri)
        assert "warning: MLflow" not in said
        clone.run("dvc", "exp", "apply", "quickstart")
        assert clone.read("metrics/table.md") in said
        yield clone, server


def test_everything_is_on_the_server_and_nothing_beside_it(on_postgresql):
    clone, server = on_postgresql
    assert not list(clone.folder.glob("mlflow.db*"))
    assert not (clone.folder / "mlartifacts").exists()
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("quickstart")
    assert experiment.artifact_location.startswith("mlflow-artifacts:"), "through the server"
    runs = client.search_runs([experiment.experiment_id])
    evaluation = json.loads(clone.read("metrics/evaluate.json"))
    assert {run.data.tags["tinyres.model"] for run in runs} == {"baseline", "modified"}
    assert len(runs) == 2
    for run in runs:
        name = run.data.tags["tinyres.model"]
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"quickstart/{name}"
        assert run.data.params["epochs"] == "2"
        assert curves(client, run.info.run_id) == stored_curves(clone, name)
        final = {key[6:]: value for key, value in run.data.metrics.items() if key.startswith("final/")}
        assert final | evaluation[name] == final
        assert [file.path for file in client.list_artifacts(run.info.run_id, "embed")] == ["embed/tsne.png"]


def test_files_and_models_come_back_over_http(on_postgresql, tmp_path, monkeypatch):
    clone, server = on_postgresql
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    mlflow.set_tracking_uri(server.uri)
    client = MlflowClient(server.uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.`tinyres.model` = 'modified'")
    table = client.download_artifacts(run.info.run_id, "evaluate/table.md", str(tmp_path))
    assert Path(table).read_text() == clone.read("metrics/table.md")
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    probabilities = model.predict(np.load(clone.folder / "data/subset/test/images.npy"))
    labels = np.load(clone.folder / "data/subset/test/labels.npy")
    assert (probabilities.argmax(axis=1) == labels).mean() == pytest.approx(run.data.metrics["final/test_accuracy"])


def test_the_table_comes_from_the_server(on_postgresql):
    clone, server = on_postgresql
    told = clone.tinyres("table", "--format", "csv", MLFLOW_TRACKING_URI=server.uri)
    assert told == clone.read("metrics/table.csv")
