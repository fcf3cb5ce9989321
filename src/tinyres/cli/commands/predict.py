"""`tinyres predict`: classify image files with a trained model."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError

SOME_UNREADABLE = 3
PLOTTED = 20  # images in the plot, the first ones, so that its rows stay readable

DESCRIPTION = (
    "Print the five most probable classes of each image. The image is resized with antialiasing, so that its shorter "
    "side has the model's size, and cropped to the centre. The EXIF orientation is applied, transparent pixels become "
    "white, and of an animation the first frame is used."
)
STATUS = (
    f"Exit status: 0 if every image was read; {SOME_UNREADABLE} if at least one was not (stderr says why); 1 if the "
    "model cannot be used."
)
EXAMPLES = examples(
    "tinyres predict models/modified cat.jpg --plot cat-bars.png",
    "tinyres predict models/modified cat.jpg --explain cat-map.png",
    "tinyres predict models:/cifar100-resnet18-modified@champion *.jpg --json > answers.jsonl",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    predict = commands.add_parser(
        "predict",
        help="classify image files with a trained model",
        description=DESCRIPTION,
        epilog=f"{STATUS}\n\n{EXAMPLES}",
    )
    predict.add_argument(
        "model", metavar="MODEL", help="models/NAME, runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS"
    )
    predict.add_argument(
        "images", metavar="IMAGE", nargs="+", type=Path, help="image files in any format that Pillow reads except EPS"
    )
    predict.add_argument(
        "--json", action="store_true", help="print one line of JSON per image, also for images that cannot be read"
    )
    predict.add_argument("--plot", metavar="FILE", type=Path, help=f"plot the first {PLOTTED} predictions as PNG")
    predict.add_argument(
        "--explain",
        metavar="FILE",
        type=Path,
        help=f"plot which parts of the first {PLOTTED} images speak for the predicted class, as PNG",
    )
    predict.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the most probable classes of every readable image, and a sentence on stderr for every other one."""
    from tinyres.cli.prediction import as_json, as_text, predictions, printable
    from tinyres.cli.serving import ServedModel
    from tinyres.tracking.model_location import model_folder

    for option, file in (("--plot", arguments.plot), ("--explain", arguments.explain)):
        if file and file.is_dir():
            raise UserError(f"{option} {file} is a folder; name the PNG file to write.")
    with model_folder(arguments.model) as folder:
        model = ServedModel(folder)
    plotted: list[Any] = []
    status = 0
    for prediction in predictions(model, arguments.images):
        if prediction.error is not None:
            print(f"error: {prediction.error}", file=sys.stderr)
            status = SOME_UNREADABLE
        elif prediction.pixels is not None and len(plotted) < PLOTTED:
            plotted.append((printable(prediction.file.name), prediction.pixels, prediction.classes))
        if arguments.json:
            print(as_json(prediction, arguments.model), flush=True)
        elif prediction.error is None:
            print(as_text(prediction), flush=True)
    if arguments.plot and plotted:
        from tinyres.figures.probabilities import plot_probabilities

        plot_probabilities(arguments.plot, plotted)
    if arguments.explain and plotted:
        from tinyres.cli.explanation import plot_heat_maps

        plot_heat_maps(arguments.explain, model, plotted)
    sys.exit(status)
