"""Models that were not trained here and now, runs and folders that went missing: results find their run all the same,
never twice, and no trained model is lost."""

import csv
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline import TRAININGS, Clone, stages_run

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

EXPERIMENT = "quickstart"
RECORD = ("--force", "--single-item")  # with `evaluate`: look at the models that are there, and record it


@pytest.fixture(scope="module")
def clone(quickstart: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with the study on digits in Git and in a remote, and an experiment, `old`, that was left again.

    It ended with `evaluate`: no test asks for its embedding.
    """
    clone = quickstart.copy(tmp_path_factory.mktemp("restored"))
    clone.run("dvc", "exp", "apply", "quickstart")
    clone.run("dvc", "remote", "add", "--default", "storage", str(tmp_path_factory.mktemp("storage")))
    clone.commit("the study on digits")
    clone.run("dvc", "push")
    ran = clone.run("dvc", "exp", "run", "--name", "old", "-S", "lr=0.002", "evaluate")
    assert stages_run(ran) == TRAININGS | {"evaluate"}, "another learning rate needs no other data"
    clone.run("git", "checkout", "-q", ".")
    return clone


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_in(folder: Path) -> list[Run]:
    """Newest first."""
    client = client_of(folder)
    return list(client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id]))


def lineage_of(run: Run) -> tuple[str, str]:
    return run.data.tags["tinyres.model"], run.data.params["lr"]


FOUR = {(model, lr) for model in ("baseline", "modified") for lr in ("0.001", "0.002")}


def test_trainings_come_from_the_run_cache_and_find_their_own_runs(clone):
    output = clone.run("dvc", "repro")
    assert stages_run(output) == {"evaluate"}, "tables are not for DVC's run cache"
    for training in ("train-baseline", "train-modified"):
        assert f"Stage '{training}' is cached - skipping run, checking out outputs" in output
    runs = runs_in(clone.folder)
    assert {lineage_of(run) for run in runs} == FOUR
    assert len(runs) == 4
    assert table_of(clone) == clone.read("metrics/table.csv")


def test_an_old_experiment_that_is_applied_finds_its_own_runs(clone):
    clone.run("dvc", "exp", "apply", "old")
    assert clone.repro("evaluate") == set()
    clone.run("dvc", "repro", *RECORD, "evaluate")
    assert len(runs_in(clone.folder)) == 4
    assert table_of(clone) == clone.read("metrics/table.csv")
    clone.run("git", "checkout", "-q", ".")
    clone.run("dvc", "checkout")


def test_in_a_fresh_clone_after_a_pull_runs_are_made_from_the_stored_curves_once(clone, tmp_path):
    other = fresh(clone, tmp_path / "other")
    other.run("dvc", "pull")
    assert other.repro() == set()
    for _ in range(2):
        other.run("dvc", "repro", *RECORD, "evaluate")
    runs = runs_in(other.folder)
    assert {lineage_of(run) for run in runs} == {("baseline", "0.001"), ("modified", "0.001")}
    assert len(runs) == 2
    here = {run.data.tags["tinyres.weights"]: run for run in runs_in(clone.folder)}
    for run in runs:
        original = here[run.data.tags["tinyres.weights"]]
        assert run.info.status == "FINISHED"
        assert run.data.tags["tinyres.restored"] == "true"
        assert "tinyres.environment" not in run.data.tags, "the machine that trained it is not known"
        assert run.data.params == original.data.params
        final = {name: value for name, value in run.data.metrics.items() if name.startswith("final/")}
        assert final == {name: original.data.metrics[name] for name in final}
        assert "final/test_accuracy" in final
        history = csv.DictReader(other.read(f"plots/history/{run.data.tags['tinyres.model']}.csv").splitlines())
        points = client_of(other.folder).get_metric_history(run.info.run_id, "test_loss")
        assert [(p.step, p.value) for p in points] == [(int(r["epoch"]), float(r["test_loss"])) for r in history]
    assert table_of(other) == clone.read("metrics/table.csv")


def fresh(clone: Clone, folder: Path) -> Clone:
    """`git clone`, with neither cache nor store."""
    subprocess.run(["git", "clone", "-q", clone.folder, folder], check=True)
    return Clone.at(folder)


def table_of(clone: Clone) -> str:
    """`tinyres table`, without what it says about the runs that it leaves out."""
    output = clone.tinyres_in_process("table", "--format", "csv")
    return "".join(line for line in output.splitlines(keepends=True) if not line.startswith("left out: "))


def test_a_run_deleted_after_its_training_is_made_anew_and_that_is_said(clone):
    (deleted,) = [run for run in runs_in(clone.folder) if lineage_of(run) == ("modified", "0.001")]
    client_of(clone.folder).delete_run(deleted.info.run_id)
    output = clone.run("dvc", "repro", *RECORD, "evaluate")
    assert "MLflow holds no run of the weights in models/modified; one was made from their stored curves." in output
    assert "models/baseline;" not in output
    runs = runs_in(clone.folder)
    assert {lineage_of(run) for run in runs} == FOUR
    assert len(runs) == 4
    assert deleted.info.run_id not in [run.info.run_id for run in runs]


def test_an_experiment_deleted_in_the_ui_stops_no_finished_model(clone):
    client = client_of(clone.folder)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    client.delete_experiment(experiment)
    for stage in ("evaluate", "train-baseline"):
        told = clone.run("dvc", "repro", *RECORD, stage)
        assert f"warning: The MLflow experiment '{EXPERIMENT}' was deleted; restore it in the UI" in told
        assert "Traceback" not in told
    assert clone.run("git", "status", "--porcelain") == "", "the results are as before"
    client.restore_experiment(experiment)
    sent = clone.tinyres_in_process("sync")
    assert {line.split(",")[0] for line in sent.splitlines()} == {
        "sent: evaluate of baseline", "sent: evaluate of modified", "sent: training of baseline"
    }  # fmt: skip


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Covers a folder with one that nobody can write to, root included."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    covered = []

    def cover(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount")
        covered.append(folder)

    yield cover
    for folder in covered:
        subprocess.run(["umount", folder], capture_output=True, check=False)


def train(clone: Clone, root: Path, status: int = 0) -> str:
    """The training stage by itself, with its store and its checkpoints elsewhere."""
    stage = ["python", "stages/train.py", "baseline"]
    return clone.run(*stage, DVC_ROOT=str(root), status=status)


def test_a_trained_model_that_finds_no_place_is_not_lost(clone, read_only, tmp_path):
    before = (clone.folder / "models/baseline/model.safetensors").read_bytes()
    models = clone.folder / "models"
    read_only(models)
    told = train(clone, tmp_path, status=1)
    assert "error: Read-only file system at models/" in told
    assert "choose a place that can be written and run the same command again." in told
    assert "Traceback" not in told
    subprocess.run(["umount", models], check=True)
    assert "goes on after epoch 2" in train(clone, tmp_path), "both epochs were kept"
    assert (models / "baseline/model.safetensors").read_bytes() == before
    (run,) = runs_in(tmp_path)
    assert run.info.status == "FINISHED"


def test_a_store_that_takes_no_files_stops_no_training(clone, read_only, tmp_path):
    read_only(tmp_path / "mlartifacts")
    told = train(clone, tmp_path)
    assert "cannot be written; allow writing there, then `tinyres sync` sends the training of baseline" in told
    assert (tmp_path / ".mlflow-spool").is_dir()
    assert "Traceback" not in told
