"""The `tinyres` command."""

import argparse

from tinyres.cli.commands import new_study, paper, parameters, predict, promote, reproduce, search, speed, sync, table
from tinyres.common.errors import told_in_one_sentence

COMMANDS = (table, predict, promote, reproduce, search, speed, paper, parameters, sync, new_study)


def main() -> None:
    """Entry point: parse the arguments and run the command."""
    arguments = parser().parse_args()
    with told_in_one_sentence():
        arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    """The command line, for `--help`."""
    top = argparse.ArgumentParser(prog="tinyres", description="Results and models of the pipeline.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
