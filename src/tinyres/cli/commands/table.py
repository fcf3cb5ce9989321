"""`tinyres table`: print the table of the latest evaluation, from the MLflow store."""

import argparse
import sys
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError
from tinyres.params import load_yaml

DESCRIPTION = (
    "Print the table of the latest evaluation: accuracies and loss of its networks, with their intervals. The MLflow "
    "store is all it needs. If the networks were trained with several seeds, cells are means ± standard deviations."
)
EXAMPLES = examples(
    "tinyres table                            # of the experiment that params.yaml names",
    "tinyres table --experiment quickstart",
    "tinyres table --runs                     # the runs behind it, with their ids",
    "tinyres table --format latex > table.tex",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    table = commands.add_parser(
        "table",
        help="print the table of the latest evaluation, from the MLflow store",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    table.add_argument("--experiment", help="MLflow experiment (default: tracking.experiment in params.yaml)")
    table.add_argument("--format", choices=["md", "csv", "latex"], default="md", help="default: md")
    table.add_argument("--runs", action="store_true", help="list the runs behind the table instead")
    table.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the paper's Table 2 from the runs, with mean ± standard deviation if there are several seeds."""
    experiment = arguments.experiment or experiment_name(Path("params.yaml"))
    from tinyres.evaluation.comparison import latest_comparison
    from tinyres.evaluation.tables import accuracy_table

    comparison = latest_comparison(experiment)
    if arguments.runs:
        for name, runs in comparison.runs.items():
            for each in runs:
                print(f"{name}  seed {each.data.params['seed']}  run {each.info.run_id}  {each.info.run_name}")
    else:
        sys.stdout.write(accuracy_table(comparison.figures, comparison.reference).render(arguments.format))
    for each, names in comparison.left_out:
        print(f"left out: run {each.info.run_id} ({each.info.run_name}) differs in {', '.join(names)}", file=sys.stderr)


def experiment_name(file: Path) -> str:
    """Return `tracking.experiment` of a params file, the only thing that a table takes from the workspace.

    The rest of the file is not checked, so a table can be printed while its other parameters are being edited.

    Raises:
        UserError: There is no such file, or it names no experiment.
    """
    if not file.is_file():
        raise UserError(f"There is no {file} here to name the MLflow experiment; name it with --experiment.")
    tracking = load_yaml(file).get("tracking")
    name = tracking.get("experiment") if isinstance(tracking, dict) else None
    if not name or not isinstance(name, str):
        raise UserError(f"{file} has no name in tracking.experiment; name the MLflow experiment with --experiment.")
    return name
