"""What computes the convolutions: by choice, by machine, and by how an unfinished training began."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from small_training import changed
from tinyres.common.dataset import Description
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.convolutions import Unavailable, compiling
from tinyres.convolutions.networks import FastConv2d
from tinyres.models import Classifier
from tinyres.models.machine import Machine, choose_convolutions, prepare_machine, say_once
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.run import Task, as_it_began, training_key

ROOT = Path(__file__).resolve().parents[1]
CPU = Machine(torch.device("cpu"), bfloat16=False, compiles=False)
TORCH, WINOGRAD = (dataclasses.replace(CPU, convolutions=name) for name in ("torch", "winograd"))


@pytest.fixture(name="no_kernels")
def _no_kernels(monkeypatch):
    """A machine without a compiler."""

    def kernels():
        raise Unavailable("there is no C++ compiler; install one")

    monkeypatch.setattr("tinyres.convolutions.kernels", kernels)
    say_once.cache_clear()


@pytest.fixture(name="kernels")
def _kernels():
    try:
        compiling.kernels()
    except Unavailable as reason:
        pytest.skip(f"no kernels: {reason}")


def test_auto_takes_the_kernels_where_there_are_some(kernels):
    machine = prepare_machine(changed().runtime)
    assert machine.convolutions == "winograd"
    assert "winograd convolutions" in machine.environment()
    network = machine.prepare(Classifier(nn.Sequential(nn.Conv2d(3, 16, 3)), [0.5] * 3, [0.5] * 3)).network
    assert type(network[0]) is FastConv2d


@pytest.mark.parametrize(
    "changes", [{"runtime__convolutions": "torch"}, {"runtime__precision": "bfloat16"}, {"runtime__compile": True}]
)
def test_torch_computes_what_the_kernels_do_not_cover_or_are_not_wanted_for(changes):
    machine = prepare_machine(changed(**changes).runtime)
    network = machine.prepare(Classifier(nn.Sequential(nn.Conv2d(3, 16, 3)), [0.5] * 3, [0.5] * 3)).network
    assert type(network[0]) is nn.Conv2d


def test_without_a_compiler_one_line_says_what_is_lost(no_kernels, capsys):
    assert [choose_convolutions("auto"), choose_convolutions("auto")] == ["torch", "torch"]
    expected = (
        "Convolutions are left to PyTorch, which takes about twice as long: there is no C++ compiler; install one.\n"
    )
    assert capsys.readouterr().err == expected


def test_kernels_that_were_asked_for_and_cannot_be_had_are_an_error(no_kernels):
    with pytest.raises(UserError, match=r"'winograd', but there is no C\+\+ compiler; install one; or set it to"):
        choose_convolutions("winograd")
    with pytest.raises(UserError, match="'winograd', which is for CPUs, in float32"):
        prepare_machine(changed(runtime__convolutions="winograd", runtime__precision="bfloat16").runtime)


def test_a_training_by_torch_imports_no_kernels():
    program = (
        "import sys; sys.path[:0] = ['src', 'tests']\n"
        "from small_training import changed, trainer, CheckpointStore\n"
        "trainer(changed(runtime__convolutions='torch', epochs=1), CheckpointStore('none')).train_epoch([])\n"
        "sys.exit(any(name.startswith('tinyres.convolutions') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.fixture(name="task")
def _task(tmp_path):
    (tmp_path / "dataset.json").write_text("{}")
    data = Description.__new__(Description)
    return Task(ROOT / "stages/train.py", tmp_path / "dataset.json", data, None, 0, ("test", None))


def described(**runtime: str) -> ModelDescription:
    params = {"runtime": {"convolutions": "auto", "launcher": "python"} | runtime}
    return ModelDescription("net", {}, [], (8, 8), [], [], {"params": params})


def test_the_key_names_what_auto_came_to(task, kernels):
    keys = [training_key(described(), task, machine) for machine in (TORCH, WINOGRAD)]
    assert len(set(keys)) == 2
    assert training_key(described(convolutions="winograd"), task, WINOGRAD) == keys[1]


@pytest.mark.parametrize(
    ("began", "choice", "on", "expected", "told"),
    [
        (TORCH, "auto", WINOGRAD, TORCH, "net: began with torch convolutions; it goes on with them.\n"),
        (TORCH, "winograd", WINOGRAD, WINOGRAD, ""),
        (WINOGRAD, "auto", WINOGRAD, WINOGRAD, ""),
        (
            *(WINOGRAD, "auto", TORCH, TORCH),
            "net: began with winograd convolutions; this machine cannot have them, so it starts anew.\n",
        ),
    ],
)
def test_a_training_goes_on_as_it_began_where_it_can(
    task, capsys, monkeypatch, tmp_path, began, choice, on, expected, told
):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    CheckpointStore(training_key(described(), task, began)).save({})
    runtime = changed(runtime__convolutions=choice).runtime
    assert as_it_began(on, runtime, described(), task) == expected
    assert capsys.readouterr().err == told
