"""An MLflow server that is killed in the middle of a real training."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from pipeline import Clone
from server import Server, curves, mlflow_server, stored_curves

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

EPOCHS = 40  # of about a quarter of a second on a CPU


@pytest.fixture(scope="module")
def ready(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = digits.copy(tmp_path_factory.mktemp("ready"))
    clone.set_params(f"epochs={EPOCHS}", "runtime.device=cpu")
    return clone


class Training:
    """`stages/train.py baseline`, told of a server."""

    def __init__(self, clone: Clone, uri: str) -> None:
        environment = clone.environment(DVC_ROOT=str(clone.folder), MLFLOW_TRACKING_URI=uri)
        command = [sys.executable, "stages/train.py", "baseline"]
        self.process = subprocess.Popen(command, cwd=clone.folder, env=environment, stderr=subprocess.PIPE, text=True)

    def wait_for_epoch(self, epoch: int) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if f"epoch {epoch}/" in line:
                return
        raise AssertionError(f"the training ended before epoch {epoch}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A server takes longer to start than this short training lasts."""
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)

    def wait(self) -> str:
        """What it said from here on; it must end well."""
        _, said = self.process.communicate()
        assert self.process.returncode == 0, said
        return said


def wait_for_curves(server: Server) -> None:
    """Until the server has the first epochs of a training that goes on."""
    client = MlflowClient(server.uri)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
        if runs and "train_loss" in runs[0].data.metrics:
            assert runs[0].info.status == "RUNNING"
            return
        time.sleep(0.2)
    raise AssertionError("no curves came")


def the_run(server: Server) -> mlflow.entities.Run:
    client = MlflowClient(server.uri)
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return run


def check_complete(clone: Clone, server: Server) -> None:
    """One run, with every metric once and in order, and the model."""
    run = the_run(server)
    assert run.info.status == "FINISHED"
    found = curves(MlflowClient(server.uri), run.info.run_id)
    assert [step for step, _ in found["train_loss"]] == list(range(1, EPOCHS + 1))
    assert found == stored_curves(clone, "baseline")
    assert len(run.outputs.model_outputs) == 1
    assert not list((clone.folder / ".mlflow-spool").glob("[0-9]*"))


def test_a_server_that_is_killed_and_comes_back_has_every_metric_once_in_order(ready, tmp_path):
    with mlflow_server(tmp_path / "server") as server:
        training = Training(ready, server.uri)
        wait_for_curves(server)
        server.kill()
        training.wait_for_epoch(30)
        with training.paused():
            server.start()
            held = curves(MlflowClient(server.uri), the_run(server).info.run_id)
            assert 0 < len(held["train_loss"]) < 30
        training.wait()
        check_complete(ready, server)


def test_what_a_server_that_stayed_away_missed_is_sent_by_sync(ready, tmp_path):
    with mlflow_server(tmp_path / "server") as server:
        training = Training(ready, server.uri)
        wait_for_curves(server)
        server.kill()
        last = training.wait().splitlines()[-1]
        assert last == (
            f"warning: MLflow at {server.uri} cannot be reached; see that it runs, then `tinyres sync` sends the "
            f"training of baseline, kept in {ready.folder}/.mlflow-spool."
        )
        told = ready.tinyres("sync", status=1, MLFLOW_TRACKING_URI=server.uri)
        assert told.startswith(f"error: MLflow at {server.uri} cannot be reached; ")
        assert told.count("\n") == 1

        server.start()
        told = ready.tinyres("sync", MLFLOW_TRACKING_URI=server.uri)
        assert told == "sent: training of baseline, experiment cifar100-resnet18\n"
        check_complete(ready, server)
