"""`tinyres search`: the parameters that do best on validation images."""

import argparse

from tinyres.cli.commands import Commands
from tinyres.common.errors import UserError

DESCRIPTION = (
    "Try parameters, each trial a DVC experiment (NAME-0, NAME-1, …) with its MLflow run, and print the command that "
    "trains the best. Optuna chooses what to try next (TPE); a training whose metric falls behind the median of the "
    "earlier ones' at the same epoch is stopped. The same command again goes on with a search that was stopped, up to "
    "the number of trials given; several at once share one."
)
EXAMPLE = (
    "example: tinyres search rates --stage train-modified --trials 20 -S subset.validation=0.1 "
    "-S 'lr=tag(log,interval(1e-4,1e-1))' -S 'batch_size=choice(32,64,128)'"
)


def add(commands: Commands) -> None:
    """Declare the command."""
    search = commands.add_parser(
        "search", help="the parameters that do best on validation images", description=DESCRIPTION, epilog=EXAMPLE
    )
    search.add_argument("name", metavar="NAME", help="the search's name, and what its experiments' names begin with")
    search.add_argument("--stage", help="the stage that trains the network: train-…")
    search.add_argument(
        *("-S", "--set-param"),
        dest="settings",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        help="as in `dvc exp run`; to be searched with choice(…), range(…), interval(…) or tag(log,interval(…))",
    )
    search.add_argument("--trials", type=positive, default=20, metavar="N", help="all in all (default: 20)")
    search.add_argument("--metric", choices=["val_accuracy", "val_loss"], default="val_accuracy")
    search.add_argument(
        "--startup", type=whole, default=5, metavar="N", help="trials that end before any is pruned (default: 5)"
    )
    search.add_argument("--warmup", type=whole, default=0, metavar="N", help="epochs before any is pruned (default: 0)")
    search.add_argument(
        "--storage", metavar="URL", help="Optuna's database (default: OPTUNA_STORAGE, or optuna.db in the repository)"
    )
    search.add_argument("--best", action="store_true", help="print the best command so far, and run nothing")
    search.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """All the trials; then, on the last line, the command that trains the best of them."""
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
    """0 or more."""
    return at_least(0, text)


def positive(text: str) -> int:
    """1 or more."""
    return at_least(1, text)


def at_least(least: int, text: str) -> int:
    """A whole number of at least that.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return int(text)
