"""`tinyres paper`: write the page that compares the paper's claims with the results."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Write docs/paper.md, which compares each of the paper's claims with the results in metrics/ and plots/history/. "
    "Until the full study has been run, every verdict is undecided."
)
EXAMPLES = examples("dvc repro         # the results first", "tinyres paper")


def add(commands: Commands) -> None:
    """Declare the command."""
    paper = commands.add_parser(
        "paper",
        help="write docs/paper.md, which compares the paper's claims with metrics/",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    paper.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Write the page from the results of the study in the working folder."""
    from tinyres.cli.paper.page import PAGE, write_page
    from tinyres.common.atomic import write_text

    write_text(PAGE, write_page(Path()))
    print(f"wrote {PAGE}")
