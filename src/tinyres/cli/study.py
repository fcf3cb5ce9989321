"""The study that a command was asked for."""

from pathlib import Path

from tinyres.common.errors import UserError
from tinyres.common.repository import project_root


def study_folder(name: str) -> tuple[Path, str]:
    """Return the repository and the study's folder from there, as `studies/aquatic_mammals`; `.` for the root's own.

    Raises:
        UserError: There is no dvc.yaml in it.
    """
    root, study = project_root(), name.rstrip("/") or "."
    if not (root / study / "dvc.yaml").is_file():
        raise UserError(f"{study} is no study; name a folder with a dvc.yaml, as studies/aquatic_mammals.")
    return root, study
