"""A clone of this working tree to run the real pipeline in."""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Collection
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Self

import pytest
from dvc.utils.hydra import apply_overrides
from filelock import FileLock
from mlflow.tracking import MlflowClient

from tinyres.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["data.source=digits", "subset.per_class=20", "epochs=2", "embed.perplexity=10", "embed.iterations=250",
         "augment.online.crop_padding=1"]  # fmt: skip
TRAININGS = {"train-baseline", "train-modified"}
AFTER_TRAINING = {"evaluate", "embed"}
ALL = {"download", "subset-extract", "augment"} | TRAININGS | AFTER_TRAINING
ARTIFACT_LOCATIONS = {"experiments": ["artifact_location"], "runs": ["artifact_uri"],
                      "logged_models": ["artifact_location"],
                      "model_versions": ["source", "storage_location"]}  # fmt: skip
"""The columns of MLflow's store that hold absolute paths, by table."""


class Clone:
    """A repository with this tree's files in one commit."""

    def __init__(self, folder: Path, studies: Collection[str] | None = None) -> None:
        """Copy the files and commit them.

        Args:
            folder: Where to.
            studies: Which of the studies beside the paper's; None for all. DVC parses their graphs at every command,
                which takes it two seconds.
        """
        self.folder = folder
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            left_out = name.startswith("studies/") and studies is not None and name.split("/")[1] not in studies
            if (ROOT / name).is_file() and not left_out:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        self.run("git", "init", "-q", "-b", "main")
        self.run("git", "config", "user.email", "tests@example.org")
        self.run("git", "config", "user.name", "tests")
        self.commit("the tree under test")

    @classmethod
    def at(cls, folder: Path) -> Self:
        """A repository that is there already."""
        clone = cls.__new__(cls)
        clone.folder = folder
        return clone

    def copy(self, folder: Path) -> Self:
        """The same repository in another folder, with its caches and its runs in MLflow."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        if (store := folder / "mlflow.db").exists():
            move_artifacts(store, self.folder, folder)
        return self.at(folder)

    def set_params(self, *settings: str) -> None:
        """Change `params.yaml` as `dvc exp run -S` does."""
        apply_overrides(self.folder / "params.yaml", list(settings))

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        """Run a command in the clone; returns what it printed, on both streams."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == status, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def tinyres(self, *arguments: str, status: int = 0, **environment: str) -> str:
        """Run a `tinyres` command with the clone's own package; returns what it printed, as `run` does."""
        return self.run("python", "-m", "tinyres", *arguments, status=status, PYTHONPATH="src", **environment)

    def tinyres_in_process(self, *arguments: str, status: int = 0, **environment: str) -> str:
        """What `tinyres` does, without the four seconds of its imports: in this process, and so by its package.

        Only for a store in a file: what the package sets for servers when it is imported is not set again.
        """
        out, err = io.StringIO(), io.StringIO()
        ended: str | int | None = None
        environment = self.environment(PYTHONPATH="src", **environment)
        with pytest.MonkeyPatch.context() as here, redirect_stdout(out), redirect_stderr(err):
            here.chdir(self.folder)
            here.setattr(sys, "argv", ["tinyres", *arguments])
            here.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow sets, so that this is undone too
            for name in os.environ.keys() - environment.keys():
                here.delenv(name)
            for name, value in environment.items():
                here.setenv(name, value)
            try:
                main()
            except SystemExit as end:
                ended = end.code
        printed = err.getvalue() + out.getvalue()
        if isinstance(ended, str):  # Python prints the sentence and ends the process with 1
            printed, ended = f"{printed}{ended}\n", 1
        assert (ended or 0) == status, f"tinyres {' '.join(arguments)} ended with {ended}:\n{printed}"
        return printed

    def environment(self, **changes: str) -> dict[str, str]:
        """This process's environment without what it says about DVC, MLflow and Python, and with this Python first.

        PYTHONDONTWRITEBYTECODE, which images of containers set, would have every process compile the package again.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "PYTHON"))}
        return kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"} | changes

    def experiment(self, *settings: str, name: str | None = None, temporary: bool = False) -> set[str]:
        """`dvc exp run`; returns the stages that ran."""
        arguments = ["--temp"] * temporary + (["--name", name] if name else [])
        output = self.run("dvc", "exp", "run", *arguments, *(word for each in settings for word in ("-S", each)))
        return stages_run(output)

    def repro(self, *arguments: str) -> set[str]:
        """`dvc repro`; returns the stages that ran."""
        return stages_run(self.run("dvc", "repro", *arguments))

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


def make_store(folder: Path) -> Path:
    """An empty MLflow store, as the first run in a repository would make it, which takes MLflow seconds; its file."""
    file = folder / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


def move_artifacts(store: Path, before: Path, after: Path) -> None:
    """Tell a copied MLflow store that its artifacts were copied as well."""
    with closing(sqlite3.connect(store)) as connection, connection:
        for table, columns in ARTIFACT_LOCATIONS.items():
            for column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (f"{before}/", f"{after}/")
                )


def make_once(folder: Path, prepare: Callable[[Clone], None], studies: Collection[str] = ()) -> Clone:
    """A clone that the first process to ask for it makes and prepares, while the others wait. Tests only copy it."""
    made = folder.with_suffix(".made")
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            prepare(Clone(folder, studies))
            made.touch()
    return Clone.at(folder)


def stages_run(output: str) -> set[str]:
    """Names of the stages that DVC says it ran; the order of those that do not need each other is DVC's own."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
