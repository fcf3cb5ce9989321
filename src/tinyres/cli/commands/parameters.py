"""`tinyres parameters`: write the page that lists every parameter."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Write docs/parameters.md, which lists every parameter with its value, range, meaning and source. The values are "
    "those of the params.yaml in the working folder."
)
EXAMPLES = examples("tinyres parameters   # in the repository's root, after a change to the schema or to params.yaml")


def add(commands: Commands) -> None:
    """Declare the command."""
    parameters = commands.add_parser(
        "parameters",
        help="write docs/parameters.md, which lists every parameter",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    parameters.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Write the page from the schema and from the `params.yaml` in the working folder."""
    from tinyres.cli.parameter_table import PAGE, page
    from tinyres.common.atomic import write_text

    write_text(PAGE, page(Path("params.yaml")))
    print(f"wrote {PAGE}")
