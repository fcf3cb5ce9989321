"""`tinyres speed`: print how fast models were trained."""

import argparse
import sys
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Print at how many images per second each model was trained, as a median over its epochs with the slowest and the "
    "fastest one, and on which machine. MLflow must hold the training of exactly these weights."
)
EXAMPLES = examples("tinyres speed models/*", "tinyres speed models/* studies/ablation/models/*")


def add(commands: Commands) -> None:
    """Declare the command."""
    speed = commands.add_parser(
        "speed",
        help="print how fast models were trained, from the MLflow store",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    speed.add_argument("folders", nargs="+", type=Path, metavar="MODEL", help="model folders, such as models/*")
    speed.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the training images per second of each model folder, from its logged epochs."""
    from tinyres.cli.training_speed import speed_table

    sys.stdout.write(speed_table(arguments.folders).render("md"))
