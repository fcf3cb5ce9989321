"""The repository that a process works for."""

import os
from pathlib import Path


def project_root() -> Path:
    """The repository that this process works for.

    DVC runs experiments in temporary folders that it removes afterwards; `DVC_ROOT` still names the repository they
    came from, so what must outlive them (checkpoints, the MLflow store) belongs there. Outside of DVC it is the nearest
    folder above with a `.dvc`, or else the working folder.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root)
    here = Path.cwd()
    return next((folder for folder in [here, *here.parents] if (folder / ".dvc").is_dir()), here)
