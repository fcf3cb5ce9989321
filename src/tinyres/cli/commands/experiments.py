"""`tinyres experiments`: the DVC experiments of one study, side by side."""

import argparse

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Show the DVC experiments of a study that began at the current commit: the parameters in which they differ, and "
    "the metrics of the study. Those that changed nothing in the study are left out."
)
EXAMPLES = examples(
    "tinyres experiments                           # of the paper's study",
    "tinyres experiments studies/aquatic_mammals",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    experiments = commands.add_parser(
        "experiments", help="show a study's DVC experiments side by side", description=DESCRIPTION, epilog=EXAMPLES
    )
    experiments.add_argument("study", metavar="STUDY", nargs="?", default=".", help="its folder; by default the root")
    experiments.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each experiment, in columns of one width."""
    from tinyres.cli.experiments import experiments_of, shown_by_dvc
    from tinyres.cli.study import study_folder

    root, study = study_folder(arguments.study)
    columns, rows = experiments_of(shown_by_dvc(root), study)
    lines = [columns, *([row.get(column, "-") for column in columns] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())
