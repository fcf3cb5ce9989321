"""`tinyres new-study`: write a study of your own pictures, ready to run."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples

DESCRIPTION = (
    "Write studies/NAME, which is the paper's study, with both networks and all stages, on the pictures in FOLDER. "
    "They are either in FOLDER/CLASS/FILE, and a random fifth becomes the test set, or in FOLDER/train/CLASS/FILE and "
    "FOLDER/test/CLASS/FILE (or training/, testing/, val/ and the like). They may have any size, and any format that "
    "Pillow reads except EPS; HEIC needs pillow-heif."
)
EXAMPLES = examples(
    "tinyres new-study birds --images ~/pictures/birds",
    "dvc repro studies/birds/dvc.yaml                  # then trains both networks on them",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    new = commands.add_parser(
        "new-study", help="write a study of your own pictures", description=DESCRIPTION, epilog=EXAMPLES
    )
    new.add_argument("name", metavar="NAME", help="name of the folder in studies/ and of the MLflow experiment")
    new.add_argument("--images", metavar="FOLDER", type=Path, required=True, help="the folder with the pictures")
    new.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the study and say how to run it."""
    from tinyres.cli.new_study import write_study
    from tinyres.common.repository import project_root

    study = write_study(project_root(), arguments.name, arguments.images)
    for remark in study.remarks:
        print(remark)
    print(f"wrote {study.folder}: {study.pictures}; run it with `dvc repro {study.folder}/dvc.yaml`")
