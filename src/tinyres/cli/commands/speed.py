"""`tinyres speed`: print how fast models were trained."""

import argparse
import sys
from pathlib import Path

from tinyres.cli.commands import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    speed = commands.add_parser("speed", help="print how fast models were trained, from the MLflow store")
    speed.add_argument("folders", nargs="+", type=Path, metavar="MODEL", help="model folders, such as models/*")
    speed.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the training images per second of each model folder, from its logged epochs."""
    from tinyres.cli.training_speed import speed_table

    sys.stdout.write(speed_table(arguments.folders).render("md"))
