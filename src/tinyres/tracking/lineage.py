"""Where a run comes from."""

import os
import platform
import subprocess

import torch
import torchvision


def lineage_tags(stage: str, data_hash: str) -> dict[str, str]:
    """Where a run comes from: stage, DVC experiment, commit, data and environment."""
    tags = {
        "tinyres.stage": stage,
        "tinyres.data": data_hash,
        "tinyres.environment": (
            f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
            + (torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores")
        ),
    }
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags["git.commit"] = commit
        tags["git.clean"] = str(not _git("status", "--porcelain")).lower()
    return tags


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
