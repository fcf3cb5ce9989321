"""`tinyres audit`: twins and suspect labels of a study, or the twins in a folder of pictures."""

import argparse
import json
import sys
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError

DESCRIPTION = (
    "Say whether the test set can be trusted: which images are twins (the same photograph twice, inside a split or "
    "across training and test), and which labels are probably wrong. The study must have its data. Its test labels are "
    "judged once its networks were evaluated; its training labels, with --cross-validate, by networks of their own. "
    "For a folder of pictures, twins are found before any training."
)
EXAMPLES = examples(
    "tinyres audit                            # the study in this folder",
    "tinyres audit studies/aquatic_mammals --plots audit",
    "tinyres audit ~/pictures --pairs twins.csv",
    "tinyres audit --json > audit.json",
    "tinyres audit --cross-validate baseline  # training labels, too: five trainings",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    audit = commands.add_parser(
        "audit",
        help="find twins and suspect labels in a study or a folder of pictures",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    audit.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        default=Path(),
        help="a study, with its params.yaml, or pictures in a folder for each class (default: the current folder)",
    )
    audit.add_argument("--pairs", metavar="FILE", type=Path, help="write every pair of twins as CSV")
    audit.add_argument("--suspects", metavar="FILE", type=Path, help="write every suspect label as CSV")
    audit.add_argument("--plots", metavar="FOLDER", type=Path, help="write twins.png and suspect_labels.png")
    audit.add_argument("--model", metavar="NAME", help="judge test labels by this network (default: the mean of all)")
    audit.add_argument(
        "--cross-validate",
        metavar="NAME",
        help="judge the training labels, too, by this network of the study, trained once for each fold on all others",
    )
    audit.add_argument("--folds", metavar="N", type=int, default=5, help="folds of --cross-validate (default: 5)")
    audit.add_argument("--features", metavar="NAME", help="seek twins by the features of this trained network, too")
    audit.add_argument("--json", action="store_true", help="print the summary as JSON")
    audit.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the summary, and write what was asked for."""
    from tinyres.cli.audit import (
        as_json,
        as_text,
        audit_pictures,
        audit_study,
        judge_training_labels,
        write_pairs,
        write_plots,
        write_suspects,
    )

    if not arguments.folder.is_dir():
        raise UserError(f"There is no folder {str(arguments.folder)!r}; name a study or a folder of pictures.")
    if (arguments.folder / "params.yaml").is_file():
        audit = audit_study(arguments.folder, arguments.model, arguments.features)
        if arguments.cross_validate:
            audit = judge_training_labels(audit, arguments.folder, arguments.cross_validate, arguments.folds)
    elif arguments.features or arguments.cross_validate:
        option = "--features" if arguments.features else "--cross-validate"
        raise UserError(f"{option} needs a network of a study; leave it out for a folder of pictures.")
    else:
        audit = audit_pictures(arguments.folder)
    if arguments.pairs:
        write_pairs(arguments.pairs, audit)
    if arguments.suspects:
        write_suspects(arguments.suspects, audit)
    if arguments.plots:
        write_plots(arguments.plots, audit)
    sys.stdout.write(json.dumps(as_json(audit), indent=2) + "\n" if arguments.json else as_text(audit))
