"""`tinyres reproduce`: the commands that bring a run back."""

import argparse
import sys

from tinyres.cli.commands import Commands

DESCRIPTION = (
    "Print a shell script that checks out the commit of a run, applies the code that was not committed, and runs the "
    "run's stage with the parameters that differ from that commit's. Nothing is run: read it, then `sh`."
)


def add(commands: Commands) -> None:
    """Declare the command."""
    reproduce = commands.add_parser(
        "reproduce", help="print the commands that bring a run back", description=DESCRIPTION
    )
    reproduce.add_argument("run_id", metavar="RUN", help="id of an MLflow run (`tinyres table --runs`, or the UI)")
    reproduce.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A shell script: commit, uncommitted code, parameters, stage."""
    from tinyres.cli.reproduction import reproduction

    sys.stdout.write(reproduction(arguments.run_id))
