"""The `tinyres` command."""

import argparse

from tinyres.cli.commands import new_study, paper, parameters, predict, promote, reproduce, search, speed, sync, table
from tinyres.common.errors import told_in_one_sentence

COMMANDS = (table, predict, promote, reproduce, search, speed, paper, parameters, sync, new_study)


def main() -> None:
    """Parse the command line and run the command; the entry point."""
    arguments = parser().parse_args()
    with told_in_one_sentence():
        arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="tinyres", description="Commands for the pipeline's results and models.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
