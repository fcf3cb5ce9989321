"""The `tinyres` command."""

import argparse

from tinyres.cli.commands import (
    audit,
    experiments,
    export,
    new_study,
    paper,
    parameters,
    plots,
    predict,
    promote,
    reproduce,
    search,
    speed,
    sync,
    table,
)
from tinyres.cli.help import HelpfulParser, examples
from tinyres.common.errors import told_in_one_sentence

COMMANDS = (
    table,
    experiments,
    plots,
    predict,
    audit,
    export,
    promote,
    reproduce,
    search,
    speed,
    paper,
    parameters,
    sync,
    new_study,
)
EXAMPLES = examples(
    "dvc repro                                  # the paper's study: fetch, train, evaluate, embed",
    "tinyres table                              # its table",
    "tinyres predict models/modified cat.jpg    # the five most probable classes of a picture",
    "tinyres predict --help                     # all that a command can do, with examples",
)


def main() -> None:
    """Parse the command line and run the command; the entry point."""
    arguments = parser().parse_args()
    with told_in_one_sentence():
        arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = HelpfulParser(
        prog="tinyres",
        description="Commands for the results and models of the pipeline, whose stages DVC runs.",
        epilog=EXAMPLES,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
