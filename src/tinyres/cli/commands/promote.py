"""`tinyres promote`: make a run's model the champion."""

import argparse
import sys

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

NOT_MOVED = 3

DESCRIPTION = (
    "Make a run's model the champion of its name in MLflow's registry if it is more accurate than the current "
    "champion, that is, if the paired 95 % interval of the difference on the same test images lies above 0. If there "
    "is no champion on these images yet, it becomes the champion at once. `tinyres predict` takes the champion as "
    "models:/NAME@champion."
)
STATUS = (
    f"Exit status: 0 if the alias moved; {NOT_MOVED} if the champion stays (the printed sentence says why); 1 if the "
    "two cannot be compared."
)
EXAMPLES = examples(
    "tinyres table --runs                                # the ids of runs",
    "tinyres promote 60795b649f254bc38490b4a070bc0dae    # the champion, if it is more accurate",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    promote = commands.add_parser(
        "promote",
        help="make a run's model the champion if it is more accurate",
        description=DESCRIPTION,
        epilog=f"{STATUS}\n\n{EXAMPLES}",
    )
    promote.add_argument(
        "run_id", metavar="RUN", help="id of the run that trained it (`tinyres table --runs` lists runs)"
    )
    promote.add_argument("--force", action="store_true", help="make it the champion of its name without a comparison")
    promote.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print, in one sentence, whether the champion changes and why."""
    from tinyres.cli.promotion import promote

    verdict = promote(arguments.run_id.removeprefix("runs:/"), arguments.force)
    print(verdict.sentence)
    sys.exit(0 if verdict.moved else NOT_MOVED)
