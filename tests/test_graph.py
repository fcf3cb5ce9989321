"""A stage depends on exactly the rooms that its imports reach and on exactly the parameters that it reads."""

import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from imports import PACKAGE, files_imported, modules_reached, room_of
from tinyres.common.hashes import source_files
from tinyres.training import RECIPE, ROOMS

ROOT = Path(__file__).resolve().parents[1]
GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("studies/*/dvc.yaml"))]
STAGES = [
    pytest.param(graph.parent, name, stage, id=f"{graph.parent.relative_to(ROOT)}:{name}")
    for graph in GRAPHS
    for name, stage in yaml.safe_load(graph.read_text().replace("${root}", os.path.relpath(ROOT, graph.parent)))[
        "stages"
    ].items()
]
TRAINING_SCRIPTS = ("train", "pretrain", "screen")
PARAMETERS = {"params"}
"""No stage depends on the code of this room: DVC tracks the parameters' values, which it checks and does not change."""
RECORDING = {"tracking"}
"""No training depends on this room or on its parameters: how a training is recorded changes nothing in a model."""


def script_of(folder: Path, stage: dict) -> Path:
    word = next(word for word in stage["cmd"].split() if word.endswith(".py"))
    return (folder / word).resolve()


def parameters_read_by(script: Path, arguments: list[str]) -> set[str]:
    """The names given to `read_params` in a stage script, `models.{name}` filled in from the command line's names."""
    names: set[str] = set()
    for call in ast.walk(ast.parse(script.read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "read_params":
            for word in call.args:
                if isinstance(word, ast.Starred):
                    assert ast.unparse(word.value) == "RECIPE"
                    names |= set(RECIPE)
                elif isinstance(word, ast.JoinedStr):
                    prefix = word.values[0].value
                    names |= {prefix + argument for argument in arguments if "/" not in argument}
                else:
                    names.add(word.value)
    return names


def test_the_papers_study_has_exactly_its_seven_stages():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    expected = ["download", "subset-extract", "augment", "train-baseline", "train-modified", "evaluate", "embed"]
    assert list(stages) == expected


def test_the_graph_reads_as_a_table_of_contents():
    lines = {graph: len(graph.read_text().splitlines()) for graph in GRAPHS}
    assert lines[ROOT / "dvc.yaml"] <= 170
    assert sum(lines.values()) <= 950


def test_dvcs_run_cache_takes_the_papers_trainings():
    """It passes over every stage with an output that is neither cached nor a metric nor a plot."""
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        if name.startswith("train-"):
            assert [out for out in stage["outs"] if isinstance(out, dict)] == [], name


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_a_stage_depends_on_the_rooms_that_its_script_reaches(folder, name, stage):
    script = script_of(folder, stage)
    unlisted = PARAMETERS | (RECORDING if script.stem in TRAINING_SCRIPTS else set())
    reached = {PACKAGE / room_of(file) for file in modules_reached(script, without=unlisted)}
    declared = {(folder / each).resolve() for each in stage["deps"] if "src/" in each or each.endswith(".py")}
    assert declared == {script, *reached}


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_a_stage_depends_on_the_parameters_that_its_script_reads(folder, name, stage):
    script = script_of(folder, stage)
    arguments = stage["cmd"].split(script.name)[1].split()
    read = parameters_read_by(script, arguments)
    assert set(stage["params"]) == read - (RECORDING if script.stem in TRAINING_SCRIPTS else set())


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_a_command_runs_in_any_shell_and_with_the_package_beside_its_script(folder, name, stage):
    """cmd.exe and PowerShell know no `NAME=value` before a command."""
    assert "=" not in stage["cmd"].replace("${runtime.launcher}", "")
    assert (
        'sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))' in script_of(folder, stage).read_text()
    )


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_the_key_of_a_training_hashes_the_rooms_that_it_depends_on(folder, name, stage):
    if script_of(folder, stage).stem not in ("train", "pretrain"):
        return
    assert [Path(each).name for each in stage["deps"] if "src/tinyres/" in each] == ["__init__.py", *ROOMS]


def test_the_key_of_a_training_hashes_the_files_that_dvc_hashes():
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        seen = {
            Path(file)
            for room in ROOMS
            for folder, _, files in repo.dvcignore.walk(repo.fs, str(PACKAGE / room))
            for file in (Path(folder) / name for name in files)
        }
    assert seen | {PACKAGE / "__init__.py"} == set(source_files(ROOMS))


def test_rooms_import_one_way():
    needs: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        needs.setdefault(room_of(file), set()).update(room_of(other) for other in files_imported(file))
    graph = {room: others - {room, "__init__.py", "__main__.py"} for room, others in needs.items()}
    graph.pop("__init__.py")
    graph.pop("__main__.py")
    TopologicalSorter(graph).prepare()  # raises CycleError
    assert graph["common"] == set()
    assert RECORDING.isdisjoint(graph["training"] | graph["models"] | graph["augmentation"])
    assert len(graph) <= 12


@pytest.mark.parametrize("stage", ["augment", "train", "evaluate", "embed"])
def test_the_threads_of_a_stage_wait_asleep(stage, tmp_path):
    """OpenMP tells how it was set up when torch loads it: after `tinyres`, whose first line decides that.

    How often a thread looks before it falls asleep is what tells: GNU's OpenMP shows the policy PASSIVE by default too.
    The first copy that is loaded answers for the others, which read the same variable.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "verbose"}
    command = [sys.executable, ROOT / f"stages/{stage}.py", "baseline"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            told = next((line for line in process.stderr if "GOMP_SPINCOUNT" in line), None)
        finally:
            process.kill()  # the rest of its imports take seconds
    if told is None:
        pytest.skip("torch has no GNU OpenMP here")
    assert re.search(r"GOMP_SPINCOUNT = '(\d+)'", told)[1] == "0"
