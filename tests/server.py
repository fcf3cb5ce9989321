"""A real MLflow server on loopback, and a real PostgreSQL behind it."""

import csv
import io
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
from mlflow.tracking import MlflowClient

from pipeline import Clone

START_SECONDS = 300  # ten on an idle machine
NO_RESULTS = {"seconds", "images_per_second"}


class Server:
    """`mlflow server` on one port: it can be killed and started again. Artifacts go through it."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder, self.store = folder, store
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", "--serve-artifacts"]
        places = ["--backend-store-uri", self.store, "--artifacts-destination", str(self.folder / "artifacts")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *options, *places],
                cwd=self.folder,
                env=kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,  # with its workers, so that they die together
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """SIGKILL, as when its machine fails."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def mlflow_server(folder: Path, store: str | None = None) -> Iterator[Server]:
    """A server that runs; by default on an SQLite file of its own."""
    server = Server(folder, store or f"sqlite:///{folder}/server.db")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def postgresql() -> Iterator[str]:
    """A cluster of its own on loopback, as Debian's package installs it; yields the URI of its database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    initdb = shutil.which("initdb") or (str(found[-1]) if found else None)
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses to run as root
    become = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    port = free_port()
    with TemporaryDirectory(prefix="tinyres-postgresql-") as place:
        shutil.chown(place, user)
        data, control = f"{place}/data", Path(initdb).with_name("pg_ctl")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        for command in (
            [initdb, "--pgdata", data, "--username", "mlflow", "--auth", "trust", "--no-sync"],
            [control, "--pgdata", data, "--log", f"{place}/log", "--options", settings, "--wait", "start"],
        ):
            subprocess.run([*become, *command], cwd=place, check=True, stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
        finally:
            stop = [*become, control, "--pgdata", data, "--mode", "immediate", "--wait", "stop"]
            subprocess.run(stop, cwd=place, check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def curves(client: MlflowClient, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every epoch, in the order in which the server has them; results alone."""
    names = {name for name in client.get_run(run_id).data.metrics if "/" not in name} - NO_RESULTS
    return {
        name: [(point.step, float(f"{point.value:.6g}")) for point in client.get_metric_history(run_id, name)]
        for name in names
    }


def stored_curves(clone: Clone, name: str) -> dict[str, list[tuple[int, float]]]:
    """The same from the file that the training wrote."""
    rows = list(csv.DictReader(io.StringIO(clone.read(f"plots/history/{name}.csv"))))
    return {key: [(int(row["epoch"]), float(row[key])) for row in rows] for key in rows[0] if key != "epoch"}
