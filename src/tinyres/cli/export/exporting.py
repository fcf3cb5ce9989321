"""Export a model, compare the result with the original, and leave files only if they agree."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tinyres.cli.export.onnx_file import INPUT, OPSET, OUTPUT, describe_graph, export_graph, write_graph
from tinyres.cli.export.quantisation import calibration_images, quantised
from tinyres.cli.export.verification import (
    Report,
    agreement,
    in_batches,
    latencies,
    onnx_network,
    refuse_loss,
    refuse_other_answers,
    torch_network,
)
from tinyres.cli.serving import ServedModel
from tinyres.common.atomic import replacing, write_json
from tinyres.common.dataset import Split, read_description, read_split
from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files
from tinyres.common.model_folder import WEIGHTS, read_model_description, weights_hash
from tinyres.evaluation.card_folder import card_folder, read_temperature
from tinyres.models import load_model

ORIGINAL, FLOAT32, INT8 = "tinyres predict", "ONNX float32", "ONNX int8"


@dataclass(frozen=True)
class Images:
    """The images that a model was trained and tested on."""

    train: Split
    test: Split


@dataclass(frozen=True)
class Settings:
    """What an export is to be."""

    calibrate: int | None
    """With how many training images to calibrate 8 bits; None for float32."""
    max_loss: float
    """How much test accuracy 8 bits may cost, in percentage points."""


def images_of(folder: Path, data: Path) -> Images:
    """Read the images that a model was trained and tested on.

    Args:
        folder: The model folder.
        data: The folder with `dataset.json`.

    Raises:
        UserError: they are not there, or are others.
    """
    read_description(data)
    model = read_model_description(folder)
    if hash_files([data / "dataset.json"]) != model.training.get("data"):
        raise UserError(
            f"{data} does not hold the images that {model.name} was trained on, which calibrate and test an export; "
            "name their folder with --data."
        )
    return Images(read_split(data / "train"), read_split(data / "test"))


def export(folder: Path, images: Images, settings: Settings, output: Path) -> Report:
    """Write a model as an ONNX file, with its figures as JSON beside it, both or neither.

    Args:
        folder: The model folder.
        images: Of its study.
        settings: What the export is to be.
        output: The ONNX file; the figures get its name with the ending `.json`.

    Raises:
        UserError: the network cannot be exported, or its answers differ by more than is allowed.
    """
    classifier, description = load_model(folder)
    weights, temperature, test = weights_hash(folder), read_temperature(folder), images.test
    expected = in_batches(torch_network(classifier, temperature), test.images)
    with TemporaryDirectory() as scratch:
        graph = export_graph(classifier, description, temperature)
        describe_graph(graph, description, weights, temperature)
        files = {FLOAT32: write_graph(graph, Path(scratch) / "float32.onnx")}
        found = {FLOAT32: agreement(in_batches(onnx_network(files[FLOAT32]), test.images), expected, test)}
        refuse_other_answers(found[FLOAT32], description.name)
        if settings.calibrate is not None:
            graph = quantised(files[FLOAT32], calibration_images(images.train.images, settings.calibrate))
            describe_graph(graph, description, weights, temperature)
            files[INT8] = write_graph(graph, Path(scratch) / "int8.onnx")
            found[INT8] = agreement(in_batches(onnx_network(files[INT8]), test.images), expected, test)
            refuse_loss(found[INT8], description.name, settings.max_loss)
        report = Report(
            original=ORIGINAL,
            test_images=len(test),
            test_accuracy=float((expected.argmax(axis=1) == test.labels).mean()),
            sizes={name: file.stat().st_size for name, file in ({ORIGINAL: folder / WEIGHTS} | files).items()},
            agreements=found,
            latencies=latencies(ServedModel(folder, "cpu").predict, files, ORIGINAL, test.images),
        )
        with replacing(output) as draft:
            shutil.copyfile(list(files.values())[-1], draft)
            about = {
                "model": description.name,
                "weights": weights,
                "sha256": hash_files([draft]),
                "opset": OPSET,
                "input": INPUT,
                "output": OUTPUT,
                "temperature": temperature,
                "calibration_images": settings.calibrate and min(settings.calibrate, len(images.train)),
            }
            write_json(output.with_suffix(".json"), about | report.figures())
    return report


def copy_card(folder: Path, output: Path) -> None:
    """Copy the card of a model, if its study has one, beside an exported file, under its name with the ending `.md`."""
    card = card_folder(folder) / "README.md"
    if card.is_file():
        with replacing(output.with_suffix(".md")) as draft:
            shutil.copyfile(card, draft)
