"""`tinyres plots`: one study's plots of several experiments, in one page."""

import argparse
import sys

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Draw the plots of a study for several experiments with `dvc plots diff`: their curves in one chart, their images "
    "side by side. The page, dvc_plots/index.html, needs no network."
)
EXAMPLES = examples(
    "tinyres plots NAME-1 NAME-2                                # two experiments of the paper's study",
    "tinyres plots main NAME-1 --study studies/aquatic_mammals  # branch and experiment",
    "tinyres plots                                              # workspace and commit",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    plots = commands.add_parser(
        "plots", help="draw a study's plots of several experiments", description=DESCRIPTION, epilog=EXAMPLES
    )
    plots.add_argument(
        "revisions",
        metavar="NAME",
        nargs="*",
        help="an experiment, commit or branch; a single one is compared with the workspace",
    )
    plots.add_argument("--study", metavar="STUDY", default=".", help="its folder; by default the root")
    plots.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Let DVC write the page and print its address."""
    from tinyres.cli.plots import draw_plots
    from tinyres.cli.study import study_folder

    sys.exit(draw_plots(*study_folder(arguments.study), arguments.revisions))
