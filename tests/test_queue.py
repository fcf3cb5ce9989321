"""Experiments side by side, as users run them: queued, started, compared, drawn, applied."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline import Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

RATES = ["0.01", "0.001"]
SCREEN = 200  # characters
PATIENCE = 550  # seconds until the queue must be empty


@pytest.fixture(scope="module")
def clone(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone on digits, and two experiments that two workers ran after the code was broken."""
    clone = digits.copy(tmp_path_factory.mktemp("queue"))
    clone.set_params("epochs=1")
    clone.commit("one epoch")
    clone.run("dvc", "exp", "run", "--queue", "-S", f"lr={','.join(RATES)}")
    trainer = clone.folder / "src/tinyres/training/trainer.py"
    trainer.write_text("raise RuntimeError('the code of the workspace ran')\n")
    start_workers(clone)
    try:
        wait_for_queue(clone)
        clone.run("git", "checkout", "-q", "src")
        yield clone
    finally:
        stop_workers(clone)


def start_workers(clone: Clone) -> None:
    """The workers keep the streams that they were given: a pipe would never end."""
    nothing = subprocess.DEVNULL
    command = ["dvc", "queue", "start", "-j", "2"]
    environment = clone.environment(OMP_NUM_THREADS="1")
    subprocess.run(
        command, cwd=clone.folder, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, check=True
    )


def wait_for_queue(clone: Clone) -> None:
    deadline = time.monotonic() + PATIENCE
    while re.search("Queued|Running", status := clone.run("dvc", "queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(10)  # asking takes DVC a second of processor time, which the workers need
    logs = "".join(
        clone.run("dvc", "queue", "logs", line.split()[0]) for line in status.splitlines() if "Failed" in line
    )
    assert status.count("Success") == len(RATES), status + logs


def stop_workers(clone: Clone) -> None:
    clone.run("dvc", "queue", "stop", "--kill")
    for file in (clone.folder / ".dvc/tmp/exps/celery").glob("*.pid"):
        with suppress(OSError, ValueError):
            pid = int(file.read_text())
            if "queue-worker" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def names(clone: Clone) -> dict[str, str]:
    """The names that DVC gave the experiments, by learning rate."""
    (baseline,) = (each for each in json.loads(clone.run("dvc", "exp", "show", "--json")) if each["rev"] != "workspace")
    found = {}
    for experiment in baseline["experiments"]:
        (revision,) = experiment["revs"]
        found[str(revision["data"]["params"]["params.yaml"]["data"]["lr"])] = experiment["name"]
    assert sorted(found) == sorted(RATES)
    return found


def runs_of(clone: Clone) -> list[Run]:
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    return list(client.search_runs([each.experiment_id for each in client.search_experiments()]))


def test_the_code_is_that_of_the_moment_of_queueing(clone, names):
    """Both trained, although the workspace's trainer raised at its first line."""
    assert set(names) == set(RATES)


def test_results_land_in_the_repositorys_own_store_under_dvcs_names(clone, names):
    runs = runs_of(clone)
    expected = {f"{name}/{model}": (rate, name) for rate, name in names.items() for model in ("baseline", "modified")}
    found = {run.info.run_name: (run.data.params["lr"], run.data.tags["dvc.experiment"]) for run in runs}
    assert found == expected
    assert len(runs) == len(expected)
    for run in runs:
        assert run.info.status == "FINISHED"
        assert {"final/test_accuracy", "final/class_knn", "train_loss"} <= run.data.metrics.keys()


def test_artifacts_outlive_the_temporary_folders(clone):
    assert not [folder for folder in (clone.folder / ".dvc/tmp/exps").glob("tmp*") if folder.is_dir()]
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    for run in runs_of(clone):
        assert run.info.artifact_uri.startswith(f"file://{clone.folder}/mlartifacts/")
        for place in ("evaluate/table.md", "evaluate/accuracy.png", "embed/tsne.png", "lineage/params.yaml"):
            assert Path(client.download_artifacts(run.info.run_id, place)).stat().st_size > 100
        (model,) = run.outputs.model_outputs
        assert client.get_logged_model(model.model_id).status == "READY"
    assert clone.tinyres("predict", "--help")


def test_metrics_and_plots_of_two_experiments_are_told_apart(clone, names):
    """Metrics that were never made are told on a line before the answer."""
    slow, fast = names["0.001"], names["0.01"]
    told = json.loads(clone.run("dvc", "metrics", "diff", "--all", "--json", slow, fast).splitlines()[-1])
    metrics = [f"{model}.{figure}" for model in ("baseline", "modified") for figure in ("test_accuracy", "test_loss")]
    few = {*metrics, "difference.test_accuracy", "difference.mcnemar_p"}
    assert set(told["metrics/summary.json"]) == few
    change = told["metrics/summary.json"]["baseline.test_loss"]
    assert change["diff"] == pytest.approx(change["new"] - change["old"])
    page = clone.folder / "compared"
    clone.run("dvc", "plots", "diff", slow, fast, "-o", str(page))
    drawn = (page / "index.html").read_text()
    assert slow in drawn
    assert fast in drawn
    assert "Accuracy of both networks (fraction)" in drawn


def test_exp_show_fits_on_a_screen(clone, names):
    """`make experiments`; the set-up of a virtual environment is left out."""
    header, *rows = clone.run("make", "-s", "-o", "setup", "experiments").splitlines()
    assert max(len(line) for line in [header, *rows]) <= SCREEN
    metrics = [f"{model}.{figure}" for model in ("baseline", "modified") for figure in ("test_accuracy", "test_loss")]
    assert {*metrics, "difference.test_accuracy", "difference.mcnemar_p", "lr"} <= set(header.split())
    for rate, name in names.items():
        (row,) = [row for row in rows if name in row]
        assert rate in row.split()


def test_applied_it_is_all_there_and_every_declared_plot_is_drawn(clone, names):
    clone.run("dvc", "exp", "apply", names["0.01"])
    assert yaml.safe_load(clone.read("params.yaml"))["lr"] == 0.01
    assert clone.repro() == set()
    summary = json.loads(clone.read("metrics/summary.json"))
    evaluation = json.loads(clone.read("metrics/evaluate.json"))
    assert summary["modified"]["test_accuracy"] == evaluation["modified"]["test_accuracy"]
    clone.run("dvc", "plots", "show", "-o", "drawn")
    page = (clone.folder / "drawn/index.html").read_text()
    declared = yaml.safe_load(clone.read("dvc.yaml"))["plots"]
    charts = [chart["title"] for plot in declared if isinstance(plot, dict) for chart in plot.values()]
    assert len(charts) == 2
    assert [title for title in charts if title not in page] == []
    pictures = {
        f"workspace_{file.relative_to(clone.folder).as_posix().replace('/', '_')}"
        for plot in declared
        if isinstance(plot, str)
        for file in pictures_in(clone.folder / plot)
    }
    assert len(pictures) == 13
    assert pictures - {file.name for file in (clone.folder / "drawn/static").iterdir()} == set()


def pictures_in(plot: Path) -> list[Path]:
    """A declared plot is a picture or a folder of them."""
    return sorted(plot.iterdir()) if plot.is_dir() else [plot]
