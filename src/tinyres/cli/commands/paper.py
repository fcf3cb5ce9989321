"""`tinyres paper`: write the pages that compare the paper with the results."""

import argparse
import sys
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError

DESCRIPTION = (
    "Write docs/paper.md, which judges each of the paper's claims by the results in metrics/ and plots/history/, "
    "docs/results.md, which sets them beside other people's, docs/reproduce.md, which says how they were made, and the "
    "beginning of README.md. Until the full study has been run, every verdict is undecided and there are no figures of "
    "our own. Times and machines come from MLflow, which need not be there afterwards."
)
EXAMPLES = examples("dvc repro         # the results first", "tinyres paper")


def add(commands: Commands) -> None:
    """Declare the command."""
    paper = commands.add_parser(
        "paper",
        help="write the pages that compare the paper with the results",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    paper.set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Write the pages from the results of the study in the working folder."""
    from tinyres.cli.paper.full_study import MODELS, read_study
    from tinyres.cli.paper.pages import pages
    from tinyres.cli.paper.trainings import FACTS, write_facts
    from tinyres.common.atomic import write_text

    root = Path()
    study = read_study(root)
    if study.results is not None and not study.trainings:
        try:
            write_facts(root, MODELS)
            print(f"wrote {FACTS}")
        except UserError as error:
            print(f"How the networks were trained is not known: {error}", file=sys.stderr)
    for path, text in pages(root).items():
        write_text(root / path, text)
        print(f"wrote {path}")
