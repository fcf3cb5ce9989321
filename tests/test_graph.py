"""A stage depends on exactly the modules that it imports and on exactly the parameters that it reads."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tinyres.fingerprint import import_closure

ROOT = Path(__file__).resolve().parents[1]
GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("studies/*/dvc.yaml"))]
STAGES = [
    pytest.param(graph.parent, name, stage, id=f"{graph.parent.relative_to(ROOT)}:{name}")
    for graph in GRAPHS
    for name, stage in yaml.safe_load(graph.read_text())["stages"].items()
]


def script_of(folder: Path, stage: dict) -> Path:
    word = next(word for word in stage["cmd"].split() if word.endswith(".py"))
    return (folder / word).resolve()


def parameters_read_by(script: Path, arguments: list[str]) -> set[str]:
    """The names given to `read_params` in a stage script, `models.{name}` filled in from the command line's names."""
    calls = [
        node
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_params"
    ]
    assert len(calls) == 1, f"{script} reads its parameters once"
    names: set[str] = set()
    for node in ast.walk(calls[0]):
        if isinstance(node, ast.JoinedStr):
            prefix = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
            names |= {prefix + argument for argument in arguments if "/" not in argument}
    literal = {node.value for node in ast.walk(calls[0]) if isinstance(node, ast.Constant)}
    return names | {name for name in literal if not name.endswith(".")}


def test_the_papers_study_has_exactly_its_seven_stages():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    expected = ["download", "subset-extract", "augment", "train-baseline", "train-modified", "evaluate", "embed"]
    assert list(stages) == expected


def test_dvcs_run_cache_takes_the_papers_trainings():
    """It passes over every stage with an output that is neither cached nor a metric nor a plot."""
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        if name.startswith("train-"):
            assert [out for out in stage["outs"] if isinstance(out, dict)] == [], name


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_code_dependencies_are_the_import_closure(folder, name, stage):
    script = script_of(folder, stage)
    declared = {(folder / each).resolve() for each in stage["deps"] if each.endswith(".py")}
    assert declared == {script, *import_closure(script)}


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_declared_parameters_are_those_read(folder, name, stage):
    script = script_of(folder, stage)
    arguments = stage["cmd"].split(script.name)[1].split()
    assert set(stage["params"]) == parameters_read_by(script, arguments)


@pytest.mark.parametrize(("folder", "name", "stage"), STAGES)
def test_a_stage_runs_the_code_beside_it(folder, name, stage):
    source = stage["cmd"].split("PYTHONPATH=")[1].split()[0]
    assert (folder / source).resolve() == ROOT / "src"


def test_modules_import_only_from_the_floors_below():
    floors = [
        {"errors", "project", "atomic", "fingerprint"},
        {"params", "distributed", "photographs"},
        {"data", "pixels", "history", "runtime"},
        {"models", "augmentation"},
        {"inference", "cost", "calibration", "superclasses", "uncertainty", "answers"},
        {"training", "evaluation", "embedding", "tracking", "serving"},
        {"tables", "figures", "model_store", "prediction", "promotion", "reproduction", "claims", "parameter_table"},
        {"ablation", "screening", "speed", "paper", "initial_weights", "new_study", "search", "scaling"},
        {"commands", "model_training"},
        {"cli"},
    ]
    floor_of = {name: number for number, names in enumerate(floors) for name in names}
    package = ROOT / "src/tinyres"
    for file in package.rglob("*.py"):
        own = file.relative_to(package).parts[0].removesuffix(".py")
        if own.startswith("__"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinyres."):
                other = node.module.split(".")[1]
                assert other == own or floor_of[other] < floor_of[own], f"{file.name} imports {node.module}"


@pytest.mark.parametrize("stage", ["train", "evaluate", "embed"])
def test_the_threads_of_a_stage_wait_asleep(stage, tmp_path):
    """OpenMP tells how it was set up when torch loads it: after `tinyres`, whose first line decides that."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "OMP_DISPLAY_ENV": "true"}
    command = [sys.executable, ROOT / f"stages/{stage}.py", "baseline"]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stderr
    if "OPENMP DISPLAY ENVIRONMENT" not in told:
        pytest.skip("torch has no OpenMP here")
    settings = re.findall(r"OMP_WAIT_POLICY = '(\w+)'", told)
    assert set(settings) == {"PASSIVE"}
