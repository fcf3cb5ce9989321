"""A clone of this working tree to run the real pipeline in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["data.source=digits", "subset.per_class=20", "epochs=2", "embed.perplexity=10", "embed.iterations=250",
         "augment.online.crop_padding=1"]  # fmt: skip


class Clone:
    """A repository with this tree's files in one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        self.run("git", "init", "-q", "-b", "main")
        self.run("git", "config", "user.email", "tests@example.org")
        self.run("git", "config", "user.name", "tests")
        self.commit("the tree under test")

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

    def environment(self, **changes: str) -> dict[str, str]:
        """This process's environment without what it says about DVC, MLflow and modules, and with this Python first."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "PYTHONP"))
        }
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


def stages_run(output: str) -> set[str]:
    """Names of the stages that DVC says it ran; the order of those that do not need each other is DVC's own."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
