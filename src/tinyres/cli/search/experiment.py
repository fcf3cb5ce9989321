"""One trial of a search as a DVC experiment: a process of its own, and what it left in Git."""

import csv
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinyres.common.curves import EpochRecord

LAST_WORDS_SECONDS = 5.0
KEPT_LINES = 200  # of what DVC said last, to find the reason of a failure in


class Experiment:
    """`dvc exp run --temp` in a folder of its own, so that the workspace stays as it is whatever happens.

    What it says goes to stderr through this process: where that is killed, the training finds nobody to tell its next
    epoch to and ends as well.
    """

    def __init__(self, name: str, settings: Sequence[str], stage: str) -> None:
        self.name = name
        words = [word for setting in settings for word in ("-S", setting)]
        self.said: deque[str] = deque(maxlen=KEPT_LINES)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinyres.cli.dvc", "exp", "run", "--temp", "--name", name, *words, stage],
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that a signal reaches the training, and Ctrl-C here does not come before it
        )
        self.reader = threading.Thread(target=self._tell, name=f"what {name} says", daemon=True)
        self.reader.start()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self.process.poll()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within the seconds given."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ask the training to end, and wait until it saved a checkpoint and DVC tidied up."""
        if self.status is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait()

    @property
    def reason(self) -> str:
        """Why it failed: the last sentence of a stage, or else of DVC."""
        self.reader.join(LAST_WORDS_SECONDS)
        for prefix in ("error: ", "ERROR: "):
            for line in reversed(self.said):
                if line.startswith(prefix):
                    return line.removeprefix(prefix)
        return f"`dvc exp run` ended with status {self.status}."

    def _tell(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            print(line, end="", file=sys.stderr, flush=True)


@contextmanager
def running(name: str, settings: Sequence[str], stage: str) -> Iterator[Experiment]:
    """An experiment that does not outlive the body."""
    experiment = Experiment(name, settings, stage)
    try:
        yield experiment
    finally:
        experiment.stop()


def experiments_named(pattern: str) -> list[str]:
    """Names of DVC's experiments in this repository, by a pattern as Git's (`sweep-*`)."""
    names = _git("for-each-ref", "--format=%(refname:lstrip=4)", f"refs/exps/*/*/{pattern}")
    return names.split()


def curves_of(name: str, model: str) -> list[EpochRecord]:
    """The curves of a finished experiment, from the commit that DVC made of it."""
    (revision,) = _git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").split()
    text = _git("show", f"{revision}:./plots/history/{model}.csv")
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(text.splitlines())]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout
