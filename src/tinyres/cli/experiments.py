"""The DVC experiments of one study: what sets them apart, and their metrics.

`dvc exp show` has a column for every parameter and metric of every study, and shows each experiment with the committed
results of all studies that it never ran.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyres.common.errors import UserError
from tinyres.params import flat

Row = dict[str, str]
"""What a line shows, by column: the name of a parameter or of a metric."""


def shown_by_dvc(root: Path) -> list[dict[str, Any]]:
    """Return what `dvc exp show` knows of the commit and of the experiments that began at it.

    Raises:
        UserError: DVC ended with an error.
    """
    command = [sys.executable, "-m", "tinyres.cli.dvc", "exp", "show", "--json"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if answer.returncode:
        raise UserError(f"`dvc exp show` failed: {answer.stderr.strip().splitlines()[-1:]}; run it to see why.")
    return list(json.loads(answer.stdout))


def experiments_of(shown: Sequence[dict[str, Any]], study: str) -> tuple[list[str], list[Row]]:
    """Return the columns and the lines of a study: workspace, commit, and each experiment that changed the study.

    Args:
        shown: as `dvc exp show --json` prints it at the root.
        study: the study's folder from the root; `.` for the root's own.
    """
    folder = "" if study == "." else f"{study}/"
    base = [(each["name"] or each["rev"], _values(each.get("data"), folder)) for each in shown]
    commit = base[-1][1]
    tried = [
        (revision["name"] or revision["rev"][:7], _values(revision.get("data"), folder))
        for each in shown
        for experiment in each["experiments"] or []
        for revision in (experiment["revs"] or [])[:1]
    ]
    lines = [*base, *((name, values) for name, values in tried if values != commit)]
    return _columns([values for _, values in lines]), [
        {"experiment": name} | params | metrics for name, (params, metrics) in lines
    ]


def _values(data: dict[str, Any] | None, folder: str) -> tuple[Row, Row]:
    """Parameters and metrics of one revision; none where DVC has none, as of an experiment that failed."""
    if data is None:
        return {}, {}
    params = _content(data, "params", f"{folder}params.yaml")
    metrics = _content(data, "metrics", f"{folder}metrics/summary.json")
    numbers = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in metrics.items()}
    return {name: str(value) for name, value in params.items()}, numbers


def _content(data: dict[str, Any], kind: str, file: str) -> dict[str, Any]:
    return flat((data.get(kind) or {}).get(file, {}).get("data") or {})


def _columns(lines: Sequence[tuple[Row, Row]]) -> list[str]:
    """The parameters in which lines differ, then all metrics."""
    names = dict.fromkeys(name for params, _ in lines for name in params)
    changed = [name for name in names if len({params.get(name) for params, _ in lines if params}) > 1]
    return ["experiment", *changed, *dict.fromkeys(name for _, metrics in lines for name in metrics)]
