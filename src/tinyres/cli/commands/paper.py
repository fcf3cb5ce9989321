"""`tinyres paper`: the paper's claims beside the results."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    paper = commands.add_parser("paper", help="write docs/paper.md: the paper's claims beside the results in metrics/")
    paper.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """The paper's tables, figures and claims, each claim with its verdict, from the results of the study here."""
    from tinyres.cli.paper.page import PAGE, write_page
    from tinyres.common.atomic import write_text

    write_text(PAGE, write_page(Path()))
    print(f"wrote {PAGE}")
