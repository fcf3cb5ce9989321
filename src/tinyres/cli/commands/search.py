"""`tinyres search`: find the parameters that do best on validation images."""

import argparse

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError

DESCRIPTION = (
    "Search for the best parameters and print the command that trains with them. Each trial is a DVC experiment "
    "(NAME-0, NAME-1, …) with an MLflow run. Optuna chooses the parameters to try next (TPE), and stops a training "
    "whose metric falls behind the median of the earlier trials at the same epoch. Run the same command again to "
    "resume a search, or several times at once to share it."
)
EXAMPLES = examples(
    "tinyres search rates --stage train-modified --trials 20 -S subset.validation=0.1 \\",
    "    -S 'lr=tag(log,interval(1e-4,1e-1))' -S 'batch_size=choice(32,64,128)'",
    "tinyres search rates --best    # the command that trains with the best parameters so far",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    search = commands.add_parser(
        "search", help="find the parameters that do best on validation images", description=DESCRIPTION, epilog=EXAMPLES
    )
    search.add_argument("name", metavar="NAME", help="name of the search, and prefix of its experiments' names")
    search.add_argument("--stage", help="the stage that trains the network (train-…)")
    search.add_argument(
        *("-S", "--set-param"),
        dest="settings",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        help="as in `dvc exp run`, or a range: choice(…), range(…), interval(…), tag(log,interval(…))",
    )
    search.add_argument("--trials", type=positive, default=20, metavar="N", help="trials in total (default: 20)")
    search.add_argument(
        "--metric", choices=["val_accuracy", "val_loss"], default="val_accuracy", help="default: val_accuracy"
    )
    search.add_argument(
        "--startup", type=whole, default=5, metavar="N", help="complete trials before any is pruned (default: 5)"
    )
    search.add_argument(
        "--warmup", type=whole, default=0, metavar="N", help="epochs before a trial is pruned (default: 0)"
    )
    search.add_argument(
        "--storage",
        metavar="URL",
        help="Optuna's database (default: $OPTUNA_STORAGE, or optuna.db in the repository)",
    )
    search.add_argument("--best", action="store_true", help="print the best command so far and run nothing")
    search.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the trials, then print the command that trains the best of them as the last line."""
    from tinyres.cli.search.storage import default_storage
    from tinyres.cli.search.study import COMMAND, NAME, Plan, Search, best_trial

    storage = arguments.storage or default_storage()
    if not arguments.best:
        if arguments.stage is None:
            raise UserError("Name the stage that trains the network with --stage (train-…).")
        plan = Plan(arguments.name, arguments.stage, arguments.settings, arguments.metric)
        Search(plan, storage, arguments.startup, arguments.warmup).run(arguments.trials)
        best = best_trial(arguments.name, storage)
        print(f"best of {arguments.name}: {best.user_attrs[NAME]}, {arguments.metric} {best.value:.4g}")
    print(best_trial(arguments.name, storage).user_attrs[COMMAND])


def whole(text: str) -> int:
    """Parse a whole number of 0 or more."""
    return at_least(0, text)


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    return at_least(1, text)


def at_least(least: int, text: str) -> int:
    """Parse a whole number.

    Raises:
        argparse.ArgumentTypeError: It is not a whole number, or less than `least`.
    """
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)
