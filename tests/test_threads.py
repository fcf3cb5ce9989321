"""OpenMP's threads sleep while they wait for each other, or a warning says what to do about it."""

import os
import subprocess
import sys

import pytest

from pipeline import ROOT

POLICY = "OMP_WAIT_POLICY"


def imported(*modules: str, policy: str | None = None) -> tuple[str, str]:
    """How threads wait in a process that imports these modules in this order, and what it says on stderr."""
    kept = {name: value for name, value in os.environ.items() if name not in (POLICY, "PYTHONWARNINGS")}
    chosen = {} if policy is None else {POLICY: policy}
    code = f"import {', '.join(modules)}, os; print(os.environ[{POLICY!r}])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | chosen | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(("given", "policy"), [(None, "passive"), ("active", "active")])
def test_threads_sleep_unless_something_else_was_asked_for(given, policy):
    assert imported("tinyres", policy=given) == (policy, "")


def test_where_torch_came_first_one_warning_names_the_remedy():
    _, said = imported("torch", "tinyres")
    assert said.count("Warning") == 1
    assert "import tinyres first, or set OMP_WAIT_POLICY=passive." in said


def test_torch_may_come_first_where_the_policy_was_chosen():
    assert imported("torch", "tinyres", policy="passive") == ("passive", "")
