"""`tinyres parameters`: every parameter in one table."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parameters = commands.add_parser("parameters", help="write docs/parameters.md: every parameter, from the schema")
    parameters.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """What each parameter takes and means, and its value in the `params.yaml` here."""
    from tinyres.cli.parameter_table import PAGE, page
    from tinyres.common.atomic import write_text

    write_text(PAGE, page(Path("params.yaml")))
    print(f"wrote {PAGE}")
