"""The script that brings a run back holds its patch to the last byte."""

import subprocess
from pathlib import Path

import pytest

from tinyres.cli.reproduction import reproduction
from tinyres.common.errors import UserError
from tinyres.tracking.lineage import PATCH, lineage_documents, lineage_tags
from tinyres.tracking.store import Store

CODE = Path("src/tinyres/code.py")


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def edited(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of code with Windows's ends of lines that was not committed; the repository is the working folder."""
    monkeypatch.chdir(root)
    CODE.parent.mkdir(parents=True)
    CODE.write_bytes(b"one\r\ntwo\r\n")
    Path("params.yaml").write_text("lr: 0.1\n")
    Path(".gitignore").write_text("mlflow*\nmlartifacts\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "all")
    CODE.write_bytes(b"one\r\nTWO \r\n")
    Path("params.yaml").write_text("lr: 0.2\n")
    store = Store.open("some")
    run_id = store.start_training_run("net", "key", {}, lineage_tags("train-net", "data", None))
    store.log_texts(run_id, lineage_documents())
    return run_id


def test_who_follows_the_script_has_the_code_and_the_parameters_again(edited):
    wanted = CODE.read_bytes()
    git("checkout", "-q", ".")
    *script, last = reproduction(edited).splitlines(keepends=True)
    assert last == "dvc exp run -S lr=0.2 train-net\n"
    subprocess.run(["sh", "-e"], input="".join(script).encode(), check=True)
    assert CODE.read_bytes() == wanted


def test_a_patch_that_was_removed_is_told(edited):
    (file,) = Path("mlartifacts").rglob(PATCH)
    file.unlink()
    with pytest.raises(UserError, match=f"The run {edited} holds no {PATCH}, without which it cannot be brought back"):
        reproduction(edited)
