"""Where a run comes from: what it takes to bring it back."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PARAMS, PATCH = "lineage/params.yaml", "lineage/code.patch"
COMMIT, CLEAN, STUDY, EXPERIMENT = "git.commit", "git.clean", "tinyres.study", "dvc.experiment"
STAGE, DATA, ENVIRONMENT = "tinyres.stage", "tinyres.data", "tinyres.environment"
CODE = [":(top)src", ":(top)stages", "dvc.yaml"]  # what Git compares: the code and this study's graph


def lineage_tags(stage: str, data_hash: str, environment: str | None) -> dict[str, str]:
    """Where a run comes from: study, stage, DVC experiment, commit, data, command and environment.

    `git.clean` is about the code and the graph: parameters and results differ from the commit in every experiment.

    Args:
        stage: the stage that trained the model.
        data_hash: hash of the data that it was trained with.
        environment: versions and processor of the training; None where it was trained elsewhere, with a command and on
            a machine unknown here.
    """
    tags = {STAGE: stage, DATA: data_hash}
    if environment is not None:
        tags |= {"tinyres.command": shlex.join(["python", *sys.argv]), ENVIRONMENT: environment}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags[EXPERIMENT] = experiment
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags[COMMIT] = commit
        tags[CLEAN] = str(not _git("status", "--porcelain", "--", *CODE)).lower()
        tags[STUDY] = (_git("rev-parse", "--show-prefix") or "./").removesuffix("/")
    return tags


def lineage_documents() -> dict[str, str]:
    """What is kept whole, by its place among a run's artifacts: `params.yaml`, and the code's difference to the commit
    where there is one."""
    documents = {PARAMS: Path("params.yaml").read_text(encoding="utf-8")}
    if patch := _uncommitted_code():
        documents[PATCH] = patch + "\n"
    return documents


def _uncommitted_code() -> str | None:
    """`git diff` of the code to the commit, new files included; by an index of its own, the user's stays as it is."""
    with tempfile.TemporaryDirectory() as place:
        index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
        if _git("read-tree", "HEAD", **index) is None:
            return None
        _git("add", "--all", "--", *CODE, **index)
        return _git("diff", "--cached", "--binary", "HEAD", **index)


def _git(*arguments: str, **variables: str) -> str | None:
    """What Git answers, without the final newline; None where there is no Git, or no repository."""
    try:
        answer = subprocess.run(
            ["git", *arguments],
            env=os.environ | variables,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.removesuffix("\n")
