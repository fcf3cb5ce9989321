"""`tinyres export`: write a trained model as a file that needs no tinyres."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tinyres.cli.commands import Commands
from tinyres.cli.help import examples
from tinyres.common.errors import UserError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")  # of the extra `export`
CALIBRATION_IMAGES = 500
MAX_LOSS = 1.0  # percentage points

DESCRIPTION = (
    "Write a trained model as one ONNX file: uint8 images N×H×W×3 in, class probabilities out, normalisation inside, "
    "class names in its metadata. The file is compared with the original on the test images and timed against "
    "`tinyres predict`; the table is printed, written as JSON beside the file, and added to the model's MLflow run. "
    "No file is left if a probability differs by more than 1e-5 or, in 8 bits, if too much accuracy is lost."
)
EXAMPLES = examples(
    "tinyres export models/modified           # modified.onnx and modified.json",
    "tinyres export models/modified --int8    # modified-int8.onnx and modified-int8.json",
    "tinyres export models:/cifar100-resnet18-modified@champion --output champion.onnx",
)


def add(commands: Commands) -> None:
    """Declare the command."""
    export = commands.add_parser(
        "export",
        help="write a model as an ONNX file, verified against the original",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    export.add_argument(
        "model", metavar="MODEL", help="models/NAME, runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS"
    )
    export.add_argument("--format", choices=["onnx"], default="onnx", help="default: onnx")
    export.add_argument("--int8", action="store_true", help="quantise to 8 bits, calibrated on training images")
    export.add_argument(
        "--output", metavar="FILE", type=Path, help="default: NAME.onnx, or NAME-int8.onnx with --int8, here"
    )
    export.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        help="the images that the model was trained on (default: data/subset of its study, or here for one in MLflow)",
    )
    export.add_argument(
        "--calibration-images",
        metavar="N",
        type=_count,
        default=CALIBRATION_IMAGES,
        help=f"training images that --int8 takes its ranges from (default: {CALIBRATION_IMAGES})",
    )
    export.add_argument(
        "--max-loss",
        metavar="POINTS",
        type=float,
        default=MAX_LOSS,
        help=f"test accuracy that --int8 may cost, in percentage points (default: {MAX_LOSS:g})",
    )
    export.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export the model, and print how the file compares with the original."""
    check_packages()
    from tinyres.cli.export.exporting import Settings, copy_card, export, images_of
    from tinyres.cli.export.recording import record_export
    from tinyres.common.model_folder import read_model_description, weights_hash
    from tinyres.tracking.model_location import model_folder

    with model_folder(arguments.model) as folder:
        name = read_model_description(folder).name
        output = arguments.output or Path(f"{name}{'-int8' if arguments.int8 else ''}.onnx")
        if output.suffix != ".onnx" or output.is_dir():
            raise UserError(f"--output {output} is no name for an ONNX file; give one that ends in .onnx.")
        settings = Settings(arguments.calibration_images if arguments.int8 else None, arguments.max_loss)
        study = folder.absolute().parents[1] if folder == Path(arguments.model) else Path()
        images = images_of(folder, arguments.data or study / "data/subset")
        report = export(folder, images, settings, output)
        copy_card(folder, output)
        sys.stdout.write(report.table().render("md"))
        print(f"written: {output}", flush=True)
        record_export(name, weights_hash(folder), report.metrics(), output.with_suffix(".json"))


def check_packages() -> None:
    """Check that the packages of the extra `export` are installed.

    Raises:
        UserError: one is not.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f'tinyres export needs {" and ".join(missing)}; run `pip install "tinyres[export]"`.')


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} is no number of images; give 1 or more")
    return count
