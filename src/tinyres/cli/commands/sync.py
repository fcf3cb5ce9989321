"""`tinyres sync`: send recordings to MLflow that it could not take earlier."""

import argparse

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Send the recordings of trainings and results that MLflow could not take when they were made, oldest first. They "
    "wait in .mlflow-spool/; the next stage that reaches the store sends them too."
)
EXAMPLES = examples("tinyres sync    # once the server is back")


def add(commands: Commands) -> None:
    """Declare the command."""
    sync = commands.add_parser(
        "sync",
        help="send recordings to MLflow that it could not take earlier",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    sync.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Send every recording in the spool, oldest first, and print a line for each that was taken."""
    from tinyres.tracking.spool import sync

    nothing = True
    for recording in sync():
        nothing = False
        what = f"{recording.results.folder} of" if recording.results else "training of"
        print(f"sent: {what} {recording.run_name}, experiment {recording.experiment}", flush=True)
    if nothing:
        print("There is nothing to send.")
