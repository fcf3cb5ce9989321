"""Where a run comes from: what it takes to bring it back."""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

PARAMS, PATCH = "lineage/params.yaml", "lineage/code.patch"
COMMIT, CLEAN, STUDY, EXPERIMENT = "git.commit", "git.clean", "tinyres.study", "dvc.experiment"
STAGE, DATA, COMMAND = "tinyres.stage", "tinyres.data", "tinyres.command"
ENVIRONMENT, PROCESSOR = "tinyres.environment", "tinyres.processor"
CODE = ("src", "stages")  # of the project's folder; with the study's graph they are what Git compares
# Settings of Git that would make `git add` refuse a file, or write outside of the index that is used here.
SETTINGS = ("core.safecrlf=false", "core.splitIndex=false")
VARIABLES = {"GIT_DIFF_OPTS": ""}  # how many lines of context a patch has: as many as usual
# Unlike `git diff`, it reads none of the settings of how a difference is shown, and runs no other program to show it.
DIFF = ("diff-index", "--cached", "--patch", "--binary", "--full-index")


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
        tags |= {COMMAND: shlex.join(["python", *sys.argv]), ENVIRONMENT: environment, PROCESSOR: processor_name()}
        tags |= {MLFLOW_SOURCE_NAME: _script(), MLFLOW_SOURCE_TYPE: "LOCAL"}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags[EXPERIMENT] = experiment
    commit = _line("rev-parse", "HEAD")
    if commit is not None:
        tags[COMMIT] = tags[MLFLOW_GIT_COMMIT] = commit
        tags[CLEAN] = str(not _uncommitted_code()).lower()
        tags[STUDY] = study() or "."
    return tags


def study() -> str | None:
    """The study's folder in the repository, `.` for its root; None where there is no Git."""
    prefix = _line("rev-parse", "--show-prefix")
    return None if prefix is None else (prefix or "./").removesuffix("/")


def lineage_documents() -> dict[str, str]:
    """What is kept whole, by its place among a run's artifacts: `params.yaml`, and the code's difference to the commit
    where there is one."""
    documents = {PARAMS: Path("params.yaml").read_text(encoding="utf-8")}
    if patch := _uncommitted_code():
        documents[PATCH] = patch
    return documents


def processor_name() -> str:
    """The CPU's name, as far as the system tells: `Intel(R) Xeon(R) …`, where Python's own `platform` says `x86_64`."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _uncommitted_code() -> str | None:
    """The patch from the commit to the code as it is, new files included; by an index of its own, the user's stays as
    it is.

    A file that is no UTF-8 has its change in Git's binary form, since the patch is kept as text.
    """
    with tempfile.TemporaryDirectory() as place:
        index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
        if _git("read-tree", "HEAD", **index) is None:
            return None
        for path in (*(_project_folder() / name for name in CODE), Path("dvc.yaml").absolute()):
            _git("add", "--all", "--", str(path), **index)
        patch = _git(*DIFF, "HEAD", **index)
        try:
            return None if patch is None else patch.decode()
        except UnicodeDecodeError:
            attributes = Path(place) / "attributes"
            attributes.write_text("* -diff\n", encoding="utf-8")
            binary = _git("-c", f"core.attributesFile={attributes}", *DIFF, "HEAD", **index)
            return None if binary is None else binary.decode(errors="replace")


def _project_folder() -> Path:
    """The folder of this project above the working folder; Git's repository may be a larger one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "src/tinyres").is_dir()), here)


def _script() -> str:
    """The running script as the project names it, `stages/train.py`: the same in every checkout."""
    script = Path(sys.argv[0]).absolute()
    project = _project_folder()
    return script.relative_to(project).as_posix() if script.is_relative_to(project) else script.name


def _git(*arguments: str, **variables: str) -> bytes | None:
    """What Git answers; None where there is no Git, or no repository, or it refuses."""
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    try:
        return subprocess.run(
            ["git", "--literal-pathspecs", *settings, *arguments],
            env=os.environ | VARIABLES | variables,
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _line(*arguments: str) -> str | None:
    """The one line that Git answers, without its end."""
    answer = _git(*arguments)
    return None if answer is None else os.fsdecode(answer).removesuffix("\n")
