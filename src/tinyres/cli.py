"""The `tinyres` command."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tinyres.errors import UserError, told_in_one_sentence
from tinyres.params import load_yaml, validate_params

SOME_UNREADABLE = 3
NOT_MOVED = 3
PLOTTED = 20  # images in a picture, so that its rows stay readable; the first ones
PREDICT = (
    "Print the five likeliest classes of each image. The image's shorter side is resized to the model's size with "
    "antialiasing, and the longer one cut to the middle; EXIF orientation is applied, transparency laid on white, and "
    "of an animation the first frame is taken."
)
PREDICT_STATUS = (
    f"Exit status: 0, every image was read; {SOME_UNREADABLE}, at least one could not be, and stderr says why in a "
    "sentence each; 1, the model cannot be used."
)

REPRODUCE = (
    "Print a shell script that checks out the commit of a run, applies the code that was not committed, and runs the "
    "run's stage with the parameters that differ from that commit's. Nothing is run: read it, then `sh`."
)
PROMOTE = (
    "Make the version of a run's model the champion of its name in MLflow's registry, if it is more accurate than the "
    "champion is: if the paired 95 %% interval of the difference on the same test images lies above 0. Where there is "
    "no champion, it becomes it at once. For `tinyres predict` the champion is models:/NAME@champion."
)
PROMOTE_STATUS = (
    f"Exit status: 0, the alias moved; {NOT_MOVED}, the champion stays, and the printed sentence says why; 1, the two "
    "cannot be compared."
)


def main() -> None:
    """Entry point: parse the arguments and run the command."""
    arguments = parser().parse_args()
    with told_in_one_sentence():
        arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    """The command line, for `--help`."""
    top = argparse.ArgumentParser(prog="tinyres", description="Results and models of the pipeline.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    table = commands.add_parser("table", help="print the table of the last evaluation, from the MLflow store alone")
    table.add_argument("--experiment", help="MLflow experiment (default: tracking.experiment in params.yaml)")
    table.add_argument("--format", choices=["md", "csv", "latex"], default="md")
    table.add_argument("--runs", action="store_true", help="list the runs behind the table instead")
    table.set_defaults(run=print_table)
    sync = commands.add_parser("sync", help="send to MLflow what it could not take while it was not there")
    sync.set_defaults(run=send_what_waits)
    predict = commands.add_parser(
        "predict", help="what a trained model makes of image files", description=PREDICT, epilog=PREDICT_STATUS
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
    predict.set_defaults(run=print_predictions)
    speed = commands.add_parser("speed", help="print how fast models were trained, from the MLflow store alone")
    speed.add_argument("folders", nargs="+", type=Path, metavar="MODEL", help="model folders: models/*, say")
    speed.set_defaults(run=print_speed)
    paper = commands.add_parser("paper", help="write docs/paper.md: the paper's claims beside the results in metrics/")
    paper.set_defaults(run=write_paper)
    reproduce = commands.add_parser("reproduce", help="print the commands that bring a run back", description=REPRODUCE)
    reproduce.add_argument("run_id", metavar="RUN", help="id of an MLflow run (`tinyres table --runs`, or the UI)")
    reproduce.set_defaults(run=print_reproduction)
    promote = commands.add_parser(
        "promote",
        help="make a run's model the champion, if it is the better one",
        description=PROMOTE,
        epilog=PROMOTE_STATUS,
    )
    promote.add_argument("run_id", metavar="RUN_ID", help="the run that trained it; `tinyres table --runs` lists runs")
    promote.set_defaults(run=promote_run)
    return top


def print_table(arguments: argparse.Namespace) -> None:
    """The paper's Table 2, regenerated from runs: mean ± standard deviation where there are several seeds."""
    experiment = arguments.experiment or experiment_name(Path("params.yaml"))
    from tinyres.tables import accuracy_table
    from tinyres.tracking.comparison import latest_comparison  # seconds of imports, which `--help` can do without

    comparison = latest_comparison(experiment)
    if arguments.runs:
        for name, runs in comparison.runs.items():
            for run in runs:
                print(f"{name}  seed {run.data.params['seed']}  run {run.info.run_id}  {run.info.run_name}")
    else:
        sys.stdout.write(accuracy_table(comparison.figures, comparison.reference).render(arguments.format))
    for run, names in comparison.left_out:
        print(f"left out: run {run.info.run_id} ({run.info.run_name}) differs in {', '.join(names)}", file=sys.stderr)


def send_what_waits(_: argparse.Namespace) -> None:
    """Every recording in the spool, oldest first, and a line for each that was taken."""
    from tinyres.tracking.spool import sync

    nothing = True
    for recording in sync():
        nothing = False
        what = f"{recording.results.folder} of" if recording.results else "training of"
        print(f"sent: {what} {recording.run_name}, experiment {recording.experiment}", flush=True)
    if nothing:
        print("Nothing waits to be sent.")


def print_predictions(arguments: argparse.Namespace) -> None:
    """The likeliest classes of every image that can be read, a sentence on stderr for every other."""
    from tinyres.model_store import model_folder
    from tinyres.prediction import as_json, as_text, predictions, printable
    from tinyres.serving import ServedModel

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
        from tinyres.figures.predictions import draw_predictions

        draw_predictions(arguments.plot, drawn)
    sys.exit(status)


def print_speed(arguments: argparse.Namespace) -> None:
    """Training images per second of each model folder: of the epochs, as they were logged."""
    from tinyres.speed import speed_table

    sys.stdout.write(speed_table(arguments.folders).render("md"))


def write_paper(_: argparse.Namespace) -> None:
    """The paper's tables, figures and claims, each claim with its verdict, from the results of the study here."""
    from tinyres.atomic import write_text
    from tinyres.paper import PAGE, write_page

    write_text(PAGE, write_page(Path()))
    print(f"wrote {PAGE}")


def print_reproduction(arguments: argparse.Namespace) -> None:
    """A shell script: commit, uncommitted code, parameters, stage."""
    from tinyres.reproduction import reproduction

    sys.stdout.write(reproduction(arguments.run_id))


def promote_run(arguments: argparse.Namespace) -> None:
    """One sentence: whether the champion changes, and why."""
    from tinyres.promotion import promote

    verdict = promote(arguments.run_id.removeprefix("runs:/"))
    print(verdict.sentence)
    sys.exit(0 if verdict.moved else NOT_MOVED)


def experiment_name(file: Path) -> str:
    """`tracking.experiment` of a params file: the one thing that a table takes from the workspace.

    Raises:
        UserError: there is no such file; the sentence names `--experiment`.
    """
    if not file.is_file():
        raise UserError(f"There is no {file} here that names the MLflow experiment; name it with --experiment.")
    return validate_params(load_yaml(file), str(file)).tracking.experiment
