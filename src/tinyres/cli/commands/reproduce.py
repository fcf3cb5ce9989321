"""`tinyres reproduce`: print the commands that repeat a run."""

import argparse
import sys

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Print a shell script that checks out the commit of a run, applies the changes that were not committed, and runs "
    "the stage with the run's parameters. Nothing is executed: read the script, then pipe it to `sh -e`."
)
EXAMPLES = examples(
    "tinyres reproduce 60795b649f254bc38490b4a070bc0dae            # to read",
    "tinyres reproduce 60795b649f254bc38490b4a070bc0dae | sh -e    # to run",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    reproduce = commands.add_parser(
        "reproduce", help="print the commands that repeat a run", description=DESCRIPTION, epilog=EXAMPLES
    )
    reproduce.add_argument("run_id", metavar="RUN", help="id of an MLflow run (see `tinyres table --runs` or the UI)")
    reproduce.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the shell script."""
    from tinyres.cli.reproduction import reproduction

    sys.stdout.write(reproduction(arguments.run_id))
