"""`tinyres parameters`: write the page that lists every parameter."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parameters = commands.add_parser("parameters", help="write docs/parameters.md, which lists every parameter")
    parameters.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Write the page from the schema and from the `params.yaml` in the working folder."""
    from tinyres.cli.parameter_table import PAGE, page
    from tinyres.common.atomic import write_text

    write_text(PAGE, page(Path("params.yaml")))
    print(f"wrote {PAGE}")
