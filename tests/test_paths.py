"""The project in folders whose names have spaces, or letters beyond ASCII."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["plain", "two words", "größe", "中文 x", "it's", "a%20b", "a#b", "a+b", "a&b"]
GRAPH = "stages:\n  copy:\n    cmd: cp params.yaml copied.txt\n    params: [lr]\n    outs: [copied.txt]\n"


def run(folder: Path, *command: str) -> str:
    changes = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MAKE", "VENV"))}
    done = subprocess.run(
        command, cwd=folder, env=kept | changes, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.pipeline
@pytest.mark.parametrize("name", ["größe x", "中文"])
def test_a_temporary_experiment_runs_and_is_applied(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "dvc.yaml").write_text(GRAPH)
    (folder / "params.yaml").write_text("lr: 1\n")
    run(folder, "git", "init", "-q", "-b", "main")
    for key in ("user.name", "user.email"):
        run(folder, "git", "config", key, "tests")
    run(folder, "dvc", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "all")
    run(folder, sys.executable, "-m", "tinyres.cli.dvc", "exp", "run", "--temp", "--name", "some", "-S", "lr=3")
    run(folder, "dvc", "exp", "apply", "some")
    assert (folder / "copied.txt").read_text() == "lr: 3\n"


@pytest.fixture(params=FOLDERS)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The Makefile in a folder, with an environment whose Python notes what it was asked and does nothing."""
    folder = tmp_path / request.param
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n')
    python.chmod(0o755)
    return folder


def installations(folder: Path) -> int:
    """How often the locked packages were installed."""
    asked = folder / ".venv/bin/asked"
    return asked.read_text().count("-r requirements.lock") if asked.exists() else 0


def test_make_installs_when_the_contents_of_the_lock_change_and_not_by_its_time(installed):
    run(installed, "make", "setup")
    assert installations(installed) == 1
    assert not (installed / ".venv/pyvenv.cfg").exists(), "the environment that is there is used, and none made"
    for name in ("pyproject.toml", "requirements.lock"):
        os.utime(installed / name, (2**32, 2**32))  # of the year 2106
    run(installed, "make", "setup")
    assert installations(installed) == 1
    with (installed / "requirements.lock").open("a") as lock:
        lock.write("# another line\n")
    run(installed, "make", "setup")
    assert installations(installed) == 2


def test_make_runs_the_environments_own_python(installed):
    run(installed, "make", "test")
    assert "-m pytest" in (installed / ".venv/bin/asked").read_text()


def test_where_uv_fails_pip_installs(installed):
    python = installed / ".venv/bin/python"
    python.write_text(python.read_text() + '[ "$2" != uv ]\n')
    run(installed, "make", "setup")
    asked = (installed / ".venv/bin/asked").read_text().splitlines()
    assert [line.split()[1] for line in asked if "-r requirements.lock" in line] == ["uv", "pip"]


@pytest.mark.parametrize(("given", "spins"), [([], "3000"), (["GOMP_SPINCOUNT=0"], "0")])
def test_threads_of_the_quickstart_spin_for_a_moment_unless_told_otherwise(installed, given, spins):
    python = installed / ".venv/bin/python"
    python.write_text(python.read_text() + 'echo "$GOMP_SPINCOUNT" > "$(dirname "$0")/spins"\n')
    run(installed, "env", "-u", "GOMP_SPINCOUNT", *given, "make", "quickstart")
    assert (installed / ".venv/bin/spins").read_text() == f"{spins}\n"
