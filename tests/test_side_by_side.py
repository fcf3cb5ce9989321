"""Processes that use the MLflow store at the same moment."""

import csv
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from pipeline import Clone
from tinyres.tracking.store import Store

EPOCHS = 3
SAME_IMAGES = "UNIQUE constraint failed: datasets."
"""What MLflow 3.17.2 may answer to all but one of those that make the same images known to an experiment at the same
moment: it looks for them and adds them in two steps. The recorder's next attempt finds them."""


def one_of_many(barrier: Barrier, root: Path, number: int) -> None:
    """A training's way through the store, begun when all the others begin."""
    os.environ["DVC_ROOT"] = str(root)
    barrier.wait()
    store = Store.open("crowd")
    run_id = store.start_training_run("net", f"key {number}", {"seed": number}, {})
    for epoch in (1, 2, 3):
        store.log_history(run_id, [{"epoch": epoch, "loss": number / epoch, "timestamp": 1e9 + epoch}])
    store.finish(run_id)


def test_eight_that_begin_at_once_on_an_empty_store_all_succeed(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tinyres.tracking.store"])
    barrier = processes.Barrier(8)
    crowd = [processes.Process(target=one_of_many, args=(barrier, tmp_path, number)) for number in range(8)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert [process.exitcode for process in crowd] == [0] * 8
    store = Store.open("crowd", create=False)
    runs = store.runs_with({}, status="FINISHED")
    assert sorted(run.data.params["seed"] for run in runs) == [str(number) for number in range(8)]
    for run in runs:
        points = store.client.get_metric_history(run.info.run_id, "loss")
        assert [(p.step, p.value) for p in points] == [(e, int(run.data.params["seed"]) / e) for e in (1, 2, 3)]


@pytest.mark.pipeline
def test_three_that_train_at_once_lose_no_metric(digits, tmp_path):
    clone = digits.copy(tmp_path)
    clone.set_params(f"epochs={EPOCHS}")
    trainings = [start(clone, seed) for seed in range(3)]
    for training in trainings:
        _, said = training.communicate()
        assert training.returncode == 0, said
        assert all(SAME_IMAGES in line for line in said.splitlines() if "warning" in line), said
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert sorted(run.data.params["seed"] for run in runs) == ["0", "1", "2"]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert {each.dataset.name for each in run.inputs.dataset_inputs} == {"digits-train", "digits-test"}
        file = tmp_path / "seeds" / run.data.params["seed"] / "plots/history/baseline.csv"
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert len(rows) == EPOCHS
        for name in set(rows[0]) - {"epoch"}:
            points = {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)}
            assert points == {int(row["epoch"]): pytest.approx(float(row[name]), rel=1e-5) for row in rows}


def start(clone: Clone, seed: int) -> subprocess.Popen[str]:
    """A training in a folder of its own, on the shared data."""
    folder = clone.folder / "seeds" / str(seed)
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(clone.folder / "data")
    params = yaml.safe_load(clone.read("params.yaml"))
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"seed": seed}))
    environment = clone.environment(DVC_ROOT=str(clone.folder), OMP_NUM_THREADS="1")
    command = [sys.executable, clone.folder / "stages/train.py", "baseline"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
