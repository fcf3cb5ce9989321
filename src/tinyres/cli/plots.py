"""The plots of one study by DVC, of several experiments in one page that needs no network.

On its own, `dvc plots diff` draws the plots of every study, and its page loads Vega, which draws the charts, from the
network.
"""

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tinyres.common.errors import UserError

VEGA_LITE = "5.20"  # of the Vega-Lite schema that DVC's charts name (v5), the newest that VlConvert 1.9 has
PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>Plots</title>
<script>
{vega}
</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""
"""DVC puts its charts and images in place of `{plot_divs}`. Its page also has `{scripts}`, which load Vega."""


def draw_plots(root: Path, study: str, revisions: Sequence[str]) -> int:
    """Draw the study's plots at each revision in `dvc_plots/index.html`, and return DVC's exit status.

    Args:
        root: the repository.
        study: the study's folder from the root; `.` for the root's own.
        revisions: experiments, commits or branches. A single one is compared with the workspace; without any, the
            workspace is compared with the last commit, where they differ.

    Raises:
        UserError: VlConvert, which brings Vega, is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE.format(vega=vega()), encoding="utf-8")
        command = [sys.executable, "-m", "tinyres.cli.dvc", "plots", "diff", *revisions, "--html-template", str(page)]
        return subprocess.call([*command, "--targets", plots_of(study)], cwd=root)


def plots_of(study: str) -> str:
    """Return the regular expression by which DVC knows the plots of one `dvc.yaml`.

    DVC takes a backslash for a separator of folders, so a dot stands for all that has a meaning in expressions.
    """
    file = "dvc.yaml" if study == "." else f"{study}/dvc.yaml"
    return re.sub(r"[^\w/-]", ".", file) + "::"


def vega() -> str:
    """Return the JavaScript that draws the charts: Vega, Vega-Lite and Vega-Embed.

    Raises:
        UserError: VlConvert is not installed.
    """
    try:
        return str(importlib.import_module("vl_convert").javascript_bundle(vl_version=VEGA_LITE))
    except ModuleNotFoundError:
        raise UserError(
            "The charts need the package vl-convert-python; install it with `pip install vl-convert-python`."
        ) from None
