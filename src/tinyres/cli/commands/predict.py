"""`tinyres predict`: what a trained model makes of image files."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tinyres.cli.commands import Commands
from tinyres.common.errors import UserError

SOME_UNREADABLE = 3
PLOTTED = 20  # images in a picture, so that its rows stay readable; the first ones

DESCRIPTION = (
    "Print the five likeliest classes of each image. The image's shorter side is resized to the model's size with "
    "antialiasing, and the longer one cut to the middle; EXIF orientation is applied, transparency laid on white, and "
    "of an animation the first frame is taken."
)
STATUS = (
    f"Exit status: 0, every image was read; {SOME_UNREADABLE}, at least one could not be, and stderr says why in a "
    "sentence each; 1, the model cannot be used."
)


def add(commands: Commands) -> None:
    """Declare the command."""
    predict = commands.add_parser(
        "predict", help="what a trained model makes of image files", description=DESCRIPTION, epilog=STATUS
    )
    predict.add_argument(
        "model", metavar="MODEL", help="models/NAME, runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS"
    )
    predict.add_argument(
        "images", metavar="IMAGE", nargs="+", type=Path, help="image files: any format that Pillow reads, but EPS"
    )
    predict.add_argument(
        "--json", action="store_true", help="a line of JSON per image, also for one that cannot be read"
    )
    predict.add_argument("--plot", metavar="FILE", type=Path, help=f"draw them as PNG (the first {PLOTTED})")
    predict.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """The likeliest classes of every image that can be read, a sentence on stderr for every other."""
    from tinyres.cli.prediction import as_json, as_text, predictions, printable
    from tinyres.cli.serving import ServedModel
    from tinyres.tracking.model_location import model_folder

    if arguments.plot and arguments.plot.is_dir():
        raise UserError(f"--plot {arguments.plot} is a folder; name the PNG file to write.")
    with model_folder(arguments.model) as folder:
        model = ServedModel(folder)
    drawn: list[Any] = []
    status = 0
    for prediction in predictions(model, arguments.images):
        if prediction.error is not None:
            print(f"error: {prediction.error}", file=sys.stderr)
            status = SOME_UNREADABLE
        elif prediction.pixels is not None and len(drawn) < PLOTTED:
            drawn.append((printable(prediction.file.name), prediction.pixels, prediction.classes))
        if arguments.json:
            print(as_json(prediction, arguments.model), flush=True)
        elif prediction.error is None:
            print(as_text(prediction), flush=True)
    if arguments.plot and drawn:
        from tinyres.figures.probabilities import plot_probabilities

        plot_probabilities(arguments.plot, drawn)
    sys.exit(status)
