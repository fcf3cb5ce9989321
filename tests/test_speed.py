"""The speed of a training comes from MLflow, from the run that trained these very weights."""

from pathlib import Path

import pytest

from tinyres.cli.training_speed import speed_table
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.models import build, save_model
from tinyres.tracking.store import WEIGHTS, Store

SPEC = {"architecture": "cnn", "stem": None, "standardise": False}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder beside an empty store."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    description = ModelDescription("net", SPEC, ["a", "b"], (8, 8), [0.0] * 3, [1.0] * 3, {})
    save_model(tmp_path / "models/net", build(description), description)
    return tmp_path / "models/net"


def record(experiment: str, model: Path, speeds: list[float]) -> None:
    store = Store.open(experiment)
    run_id = store.start_training_run("net", experiment, {}, {"tinyres.environment": "2 CPU cores"})
    records = [{"epoch": epoch, "train_loss": 1.0, "timestamp": 1e9 + epoch} for epoch in range(1, 4)]
    for each, speed in zip(records, speeds, strict=False):
        each["images_per_second"] = speed
    store.log_history(run_id, records)
    store.log_final(run_id, {}, {WEIGHTS: weights_hash(model)})
    store.finish(run_id)


def test_the_median_of_the_epochs_in_whichever_experiment_they_are(model):
    record("study", model, [100, 300, 200])
    record("restored from its curves", model, [])
    assert speed_table([model]).rows == [["net", "200", "100", "300", "3", "2 CPU cores"]]


def test_a_model_that_was_not_trained_here_is_one_sentence(model):
    record("restored from its curves", model, [])
    with pytest.raises(UserError, match="holds no training of"):
        speed_table([model])


def test_a_folder_without_a_model_is_one_sentence(model):
    record("study", model, [100])
    with pytest.raises(UserError, match="holds no model"):
        speed_table([model.parent])


def test_asking_makes_no_store(model, tmp_path):
    with pytest.raises(UserError, match="There is no MLflow store at"):
        speed_table([model])
    assert not (tmp_path / "mlflow.db").exists()
