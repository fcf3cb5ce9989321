"""From a run in MLflow back to the commands that bring it about again."""

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tinyres.common.errors import UserError
from tinyres.params import parse_yaml
from tinyres.params.overrides import overrides
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import failures_explained
from tinyres.tracking.lineage import CLEAN, COMMIT, DATA, ENVIRONMENT, EXPERIMENT, PARAMS, PATCH, STAGE, STUDY
from tinyres.tracking.store import WEIGHTS, connect


def reproduction(run_id: str) -> str:
    """A shell script that brings a run back: its commit, its uncommitted code, its parameters, its stage.

    Raises:
        UserError: there is no such run, it does not say where it comes from, or its commit is not in this repository.
    """
    missing_run = f"MLflow at {shown_uri()} has no run {run_id!r}; `tinyres table --runs` and the UI show the ids."
    with failures_explained(missing_run):
        client = connect(create=False)
        run = client.get_run(run_id)
    tags = run.data.tags
    if missing := [tag for tag in (COMMIT, STUDY, STAGE) if tag not in tags]:
        raise UserError(f"The run {run_id} does not say where it comes from: it has no tag {missing[0]}.")
    params = parse_yaml(_document(client, run, PARAMS), f"{PARAMS} of run {run_id}")
    changes = overrides(params_at(tags[COMMIT], tags[STUDY]), params)
    lines = [*_description(run), 'cd "$(git rev-parse --show-toplevel)"', f"git checkout --quiet {tags[COMMIT]}"]
    if tags[CLEAN] == "false":
        lines += ["git apply --whitespace=nowarn <<'END'", _document(client, run, PATCH).removesuffix("\n"), "END"]
    if tags[STUDY] != ".":
        lines.append(f"cd {shlex.quote(tags[STUDY])}")
    words = [word for change in changes for word in ("-S", change)]
    lines.append(shlex.join(["dvc", "exp", "run", *words, tags[STAGE]]))
    return "\n".join(lines) + "\n"


def _description(run: Run) -> list[str]:
    """Comments: what the script brings back, and how to know that it did."""
    tags = run.data.tags
    without = "none are kept of this training" if run.info.status == "FINISHED" else "none: this training did not end"
    told = [
        f"run {run.info.run_id} ({run.info.run_name}), trained with",
        f"  {tags.get(ENVIRONMENT, 'an unknown environment: DVC restored the model')}",
        f"  data    {tags[DATA]}",
        f"The new run's tag {WEIGHTS} is the same where code, parameters, data and environment are:",
        f"  weights {tags.get(WEIGHTS, without)}",
    ]
    if EXPERIMENT in tags:
        told.append(f"Its files, where DVC still has the experiment: dvc exp apply {tags[EXPERIMENT]}")
    return [f"# {line}" for line in told]


def _document(client: MlflowClient, run: Run, place: str) -> str:
    """A text among the artifacts of a run, to the last byte."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    missing = (
        f"The run {run.info.run_id} holds no {place}, without which it cannot be brought back; "
        "it was made by an earlier version, or its artifacts were removed."
    )
    with failures_explained(missing), TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run.info.run_id, place, folder)).read_bytes().decode()


def params_at(commit: str, study: str) -> dict[str, Any]:
    """A study's parameters as a commit has them.

    Raises:
        UserError: the commit is not here, or has no such study.
    """
    file = Path(study) / "params.yaml"
    shown = subprocess.run(["git", "show", f"{commit}:{file.as_posix()}"], capture_output=True, text=True, check=False)
    if shown.returncode:
        raise UserError(f"This repository has no {file} in commit {commit}; fetch it first (`git fetch --all`).")
    return parse_yaml(shown.stdout, f"{file} in commit {commit[:7]}")
