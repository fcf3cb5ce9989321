"""`tinyres new-study`: a study of one's own pictures, ready to run."""

import argparse
from pathlib import Path

from tinyres.cli.commands import Commands

DESCRIPTION = (
    "Write studies/NAME: the paper's study, both networks and all stages, on the pictures in FOLDER. These lie in a "
    "folder for each class, FOLDER/CLASS/FILE, from which a fifth is drawn to test on, or in FOLDER/train/CLASS/FILE "
    "and FOLDER/test/CLASS/FILE; training/, testing/, val/ and the like are understood too. Any size and any format "
    "that Pillow reads, but EPS; HEIC where pillow-heif is installed."
)


def add(commands: Commands) -> None:
    """Declare the command."""
    new = commands.add_parser("new-study", help="write a study of your own pictures", description=DESCRIPTION)
    new.add_argument("name", metavar="NAME", help="of the folder below studies/, and of the MLflow experiment")
    new.add_argument("--images", metavar="FOLDER", type=Path, required=True, help="where the pictures are")
    new.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the study and say how to run it."""
    from tinyres.cli.new_study import write_study
    from tinyres.common.repository import project_root

    study = write_study(project_root(), arguments.name, arguments.images)
    for remark in study.remarks:
        print(remark)
    print(f"wrote {study.folder}: {study.pictures}; run it with `dvc repro {study.folder}/dvc.yaml`")
