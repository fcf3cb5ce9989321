"""A tracking store that cannot be used: one clear sentence, and no trained model is lost to it."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from test_tracking import saved_model, train
from tinyres.cli.main import main
from tinyres.tracking.address import shown_uri
from tinyres.tracking.spool import pending
from tinyres.tracking.store import Store


class Refusing(BaseHTTPRequestHandler):
    """Answers as a server, or a proxy before one, that does not know who asks (401) or does not let them in (403)."""

    status = 401

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("WWW-Authenticate", 'Basic realm="mlflow"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (Refusing,), {"status": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


READING = ["table", "--experiment", "some"]


def check_refusal(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    why: str,
    commands: Sequence[Sequence[str]] = (["sync"], READING),
) -> None:
    """A training ends well and says why, twice in one sentence each; its recording is kept; commands say it as well."""
    train(saved_model(root))
    during, after = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert during == f"warning: {why}. The training goes on; its curves are sent again later."
    assert after == f"warning: {why}, then `tinyres sync` sends the training of net, kept in {root}/.mlflow-spool."
    assert len(list(pending())) == 1
    for command in commands:
        monkeypatch.setattr("sys.argv", ["tinyres", *command])
        with pytest.raises(SystemExit) as refusal:
            main()
        assert str(refusal.value.code).startswith(f"error: {why}")


@pytest.mark.parametrize("uri", ["htp:/x", "http://127.0.0.1:port", "file:///tmp/x", "ftp://127.0.0.1/x"])
def test_an_address_that_is_none(root, monkeypatch, capsys, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    remedy = "set MLFLOW_TRACKING_URI to http://…, postgresql://… or sqlite:////…"
    check_refusal(root, capsys, monkeypatch, f"MLflow at {uri} is no address of a store; {remedy}")


def test_a_database_without_its_driver(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql://me:secret@127.0.0.1/runs")
    why = (
        "MLflow at mysql://me:***@127.0.0.1/runs needs a database driver that is not installed; install it, or use a "
        "server (http://…)"
    )
    check_refusal(root, capsys, monkeypatch, why)


def test_a_database_that_is_not_there(root, monkeypatch, capsys):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/runs")
    why = "MLflow at postgresql://me:***@127.0.0.1:9/runs cannot be reached; see that it runs"
    check_refusal(root, capsys, monkeypatch, why)


def test_a_host_that_nobody_knows(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.invalid")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    why = "MLflow at http://mlflow.invalid has an unknown host; correct MLFLOW_TRACKING_URI"
    check_refusal(root, capsys, monkeypatch, why)


@pytest.mark.parametrize("refusing", [401, 403], indirect=True)
def test_credentials_that_are_refused(root, monkeypatch, capsys, refusing):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing)
    remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    check_refusal(root, capsys, monkeypatch, f"MLflow at {refusing} refused the credentials; {remedy}")


@pytest.mark.parametrize("revision", ["451aebb31d03", "0123456789ab"], ids=["older", "unknown"])
def test_a_store_of_another_version_of_mlflow(root, monkeypatch, capsys, revision):
    Store.open("some")
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
    database.close()
    uri = f"sqlite:///{root}/other.db"
    (root / "mlflow.db").rename(root / "other.db")  # MLflow keeps what it has opened in memory
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    remedy = f"back it up and run `mlflow db upgrade {uri}`, or use the version that made it"
    check_refusal(root, capsys, monkeypatch, f"MLflow at {uri} was made by another version of MLflow; {remedy}")


def test_a_store_in_a_place_that_is_read_only(root, monkeypatch, capsys, tmp_path):
    place = tmp_path / "read-only"
    place.mkdir()
    if os.geteuid() == 0:  # who may write everywhere else
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a read-only folder")
    else:
        place.chmod(0o555)
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
        why = f"MLflow at sqlite:///{place}/mlflow.db cannot be written; allow writing there"
        check_refusal(root, capsys, monkeypatch, why, commands=[["sync"]])
        monkeypatch.setattr("sys.argv", ["tinyres", *READING])
        with pytest.raises(SystemExit, match="There is no MLflow store at"):
            main()
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", place], check=True)


def test_a_password_is_never_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://me:p:a/s@host:5432/runs")
    assert "p:a" not in shown_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host")
    assert shown_uri() == "http://me:***@host"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////folder/a@b:c.db")
    assert shown_uri() == "sqlite:////folder/a@b:c.db"


def test_a_process_that_ends_amid_the_making_of_the_store_leaves_none_that_is_half_made(root):
    """Killed at any moment of MLflow's migrations, it leaves no `mlflow.db` or a whole one."""
    command = [
        sys.executable,
        "-c",
        "from tinyres.tracking.store import Store; print(0, flush=True); Store.open('some')",
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src"), "DVC_ROOT": str(root)}
    for seconds in (0.0, 0.2, 0.5, 1.0, 2.0):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.read(1)
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
    assert Store.open("some").runs_with({}) == []
