"""A training stage that is killed at random moments ends with the same bytes as one that was not."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import Clone

pytestmark = pytest.mark.pipeline

EPOCHS = 20  # of about a quarter of a second
TRAIN = [sys.executable, "stages/train.py", "baseline"]
RESULTS = ["models/baseline/model.safetensors", "models/baseline/model.json", "plots/history/baseline.csv",
           "metrics/train_baseline.json"]  # fmt: skip
KILLS = 3


@pytest.fixture(scope="module")
def clone(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = digits.copy(tmp_path_factory.mktemp("killed"))
    clone.set_params(f"epochs={EPOCHS}")
    return clone


@pytest.fixture(scope="module")
def timed(clone: Clone) -> tuple[dict[str, bytes], float]:
    """What a training leaves that nobody disturbs, and how long an epoch takes it, start-up shared out among all."""
    started = time.perf_counter()
    clone.run(*TRAIN)
    return results(clone), (time.perf_counter() - started) / EPOCHS


@pytest.fixture
def undisturbed(timed: tuple[dict[str, bytes], float]) -> dict[str, bytes]:
    return timed[0]


def results(clone: Clone) -> dict[str, bytes]:
    return {name: (clone.folder / name).read_bytes() for name in RESULTS}


def start(clone: Clone) -> subprocess.Popen[str]:
    environment = clone.environment(DVC_ROOT=str(clone.folder))
    return subprocess.Popen(TRAIN, cwd=clone.folder, env=environment, stderr=subprocess.PIPE, text=True)


def remove_results(clone: Clone) -> None:
    """As DVC does before it runs a stage."""
    for name in RESULTS:
        (clone.folder / name).unlink(missing_ok=True)


def wait_for_training(process: subprocess.Popen[str]) -> None:
    """Until the first line about an epoch, this one's or the one it goes on after."""
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch" in line:
            return
    raise AssertionError("the training ended without a word about an epoch")


def stop_in_the_middle(clone: Clone) -> str:
    """A training that got SIGTERM, and so saved a checkpoint before it ended; what it said."""
    process = start(clone)
    wait_for_training(process)
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 1, said
    return said


def test_killed_at_random_moments_it_ends_with_the_same_bytes(clone, timed):
    undisturbed, epoch_seconds = timed
    moments = random.Random(0)
    remove_results(clone)
    for _ in range(KILLS):
        process = start(clone)
        wait_for_training(process)
        time.sleep(moments.uniform(0, epoch_seconds))  # in a step, in a checkpoint, between epochs
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not Path(clone.folder / RESULTS[0]).exists()
    process = start(clone)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "goes on after epoch" in said
    assert results(clone) == undisturbed
    assert not list((clone.folder / ".checkpoints").iterdir()), "a finished training leaves no checkpoint"


def test_terminated_it_says_how_to_go_on_and_other_parameters_never_pick_up_its_checkpoint(clone, undisturbed):
    remove_results(clone)
    said = stop_in_the_middle(clone)
    assert "Stopped by SIGTERM" in said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    params = clone.folder / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("lr: 0.001", "lr: 0.01"))
    stop_in_the_middle(clone)
    keys = list((clone.folder / ".checkpoints").iterdir())
    assert len(keys) == 2, "each has its own"
    params.write_text(before)
    said = clone.run(*TRAIN, DVC_ROOT=str(clone.folder))
    assert "goes on after epoch" in said
    assert results(clone) == undisturbed


def test_the_curves_in_mlflow_have_every_epoch_once(clone, undisturbed):
    """After all that stopping and going on, every run of these weights holds each epoch once."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, "attributes.status = 'FINISHED'")
    assert runs
    for run in runs:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")]
        assert sorted(steps) == list(range(1, EPOCHS + 1))
