"""`tinyres parameters`: every parameter in one table."""

import argparse
from pathlib import Path

from tinyres.commands import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parameters = commands.add_parser("parameters", help="write docs/parameters.md: every parameter, from the schema")
    parameters.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """What each parameter takes and means, and its value in the `params.yaml` here."""
    from tinyres.atomic import write_text
    from tinyres.parameter_table import PAGE, page

    write_text(PAGE, page(Path("params.yaml")))
    print(f"wrote {PAGE}")
