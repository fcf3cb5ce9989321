"""The whole of `make quickstart` after `make setup`, start-up of every process included: this commit against 89c166a,
the last one without `tinyres.convolutions`. Ours also has the short spins that `make quickstart` sets. Each runs in
a fresh clone, with the packages of this environment; the clones are made and removed outside of the time measured. A
repository without that commit measures nothing."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Figure, instruction_set, interleave, median, ratios, spread
from benchmarks.setting import ROOT, Setting

TITLE = "Quickstart"
REPETITIONS = 3  # of about six minutes
BEFORE = "89c166a"


def measure(setting: Setting) -> list[Figure]:
    """The older commit's time over ours."""
    if setting.on_gpu or not is_known(BEFORE):
        return []
    contenders = {"ours": lambda: run_quickstart("HEAD"), "before": lambda: run_quickstart(BEFORE)}
    seconds = interleave(contenders, REPETITIONS, warm_ups=0)
    pairs = ratios(seconds["before"], seconds["ours"])
    detail = f"{median(seconds['before']):.0f} against {median(seconds['ours']):.0f} s; {spread(pairs)}"
    target = "≥ 2.2" if instruction_set() == "AVX2" else "≥ 1.2"
    return [Figure("`make quickstart` after `make setup`", median(pairs), "×", target, detail)]


def is_known(commit: str) -> bool:
    """Whether this repository holds the commit; a shallow clone or an archive does not."""
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0


def run_quickstart(commit: str) -> float:
    """Seconds of `make quickstart` in a fresh clone at this commit."""
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "tinyres"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        subprocess.run(["git", "checkout", "-q", commit], cwd=clone, check=True)
        command = ["make", "quickstart", "--old-file=setup", f"VENV={sys.prefix}"]
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        started = time.perf_counter()
        done = subprocess.run(command, cwd=clone, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            sys.exit(f"`make quickstart` of {commit} ended with {done.returncode}:\n{done.stdout}")
    return seconds
