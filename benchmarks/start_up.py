"""What each stage costs before its work begins: the time to import its modules in a fresh interpreter, and which of the
two large packages are among them. And where `dvc.lock` is up to date: a `dvc repro` that has nothing to do."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.measure import Figure, interleave, median
from benchmarks.setting import ROOT, Setting

TITLE = "Start-up"
REPETITIONS = 3
IMPORT = """
import json, runpy, sys, time
started = time.perf_counter()
runpy.run_path(sys.argv[1], run_name="measured")
print(json.dumps([time.perf_counter() - started, sorted({"torch", "mlflow"} & set(sys.modules))]))
"""


def measure(setting: Setting) -> list[Figure]:
    """Seconds per stage, and of `dvc repro`."""
    stages = sorted((ROOT / "stages").glob("*.py"))
    seconds = interleave({stage.stem: partial(seconds_to_load, stage) for stage in stages}, REPETITIONS)
    figures = []
    for stage in stages:
        times, present = seconds[stage.stem], load(str(stage))[1]
        detail = (
            f"imports {' and '.join(present) or 'neither torch nor mlflow'}; {min(times):.2f} to {max(times):.2f} s"
        )
        figures.append(Figure(stage.stem, median(times), " s", "", detail))
    return figures + idle_repro()


def seconds_to_load(stage: Path) -> float:
    """Seconds to import a stage's modules."""
    return load(str(stage))[0]


def load(stage: str) -> tuple[float, list[str]]:
    """Import a stage's modules in a new interpreter: seconds, and the large packages that came along."""
    seconds, present = json.loads(run(sys.executable, "-c", IMPORT, stage))
    return seconds, present


def idle_repro() -> list[Figure]:
    """`dvc repro` with nothing to do; left out where there is something to do."""
    dvc = [sys.executable, "-m", "dvc"]
    if subprocess.run([*dvc, "status", "--quiet", "dvc.yaml"], cwd=ROOT, capture_output=True).returncode:
        return []
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        run(*dvc, "repro")
        seconds.append(time.perf_counter() - started)
    return [Figure("`dvc repro` with nothing to do", median(seconds), " s", "", f"{min(seconds):.1f} s at best")]


def run(*command: str) -> str:
    """What a command prints; it sees the library as the stages do."""
    environment = os.environ | {"PYTHONPATH": "src", "DVC_NO_ANALYTICS": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return result.stdout
