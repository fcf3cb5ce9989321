"""evaluate: compare the trained networks on the test images."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.atomic import replacing, write_json, write_text
from tinyres.common.curves import read_curves
from tinyres.common.dataset import Description, Split, read_description, read_split, save_array
from tinyres.common.errors import UserError, told_in_one_sentence
from tinyres.common.pixels import channels_first
from tinyres.evaluation.assessment import (
    Assessment,
    Logits,
    assess,
    best_and_worst,
    class_gains,
    classification_rows,
    most_confused,
    per_class_rows,
)
from tinyres.evaluation.card import write_card
from tinyres.evaluation.card_folder import write_temperature
from tinyres.evaluation.comparison import evaluation_tag
from tinyres.evaluation.explanation import heat_maps
from tinyres.evaluation.predictions import Predictions, write_predictions
from tinyres.evaluation.registry import TEST_IMAGES, TEST_SIZE, register_models
from tinyres.evaluation.results import record_results
from tinyres.evaluation.superclasses import Superclasses
from tinyres.evaluation.tables import Table, accuracy_table, against_first, classification_table, extremes_table
from tinyres.evaluation.temperature import fit_temperature, scaled_figures
from tinyres.evaluation.trust import (
    Suspects,
    TestTwins,
    TwinPair,
    doubts_in_words,
    mean_probabilities,
    read_numbers,
    read_remarks,
    read_twins,
    scores_without,
    suspect_labels,
    twins_to_show,
)
from tinyres.evaluation.uncertainty import compare
from tinyres.figures.confusion import plot_confusion
from tinyres.figures.curves import plot_curves
from tinyres.figures.gains import plot_gains
from tinyres.figures.images import plot_gallery
from tinyres.figures.reliability import plot_reliability
from tinyres.figures.trust import plot_suspects, plot_twins
from tinyres.models import Classifier, load_model
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Evaluate, Reference, read_params

SUBSET = Path("data/subset")
TWINS = Path("data/twins")
METRICS = Path("metrics")
DETAILS = METRICS / "evaluation"
PLOTS = Path("plots/evaluation")
HISTORY = Path("plots/history")
EXTREMES = 5  # classes at either end, as in the paper's Table 3
CONFUSED_PAIRS = 20
GALLERY_IMAGES = 20
COMPARED = ("confusion", "gallery")  # pictures of each network that MLflow shows beside those of other runs
SUMMARY = ("test_accuracy", "test_loss")  # of each network; few enough for one screen


def main(names: list[str]) -> None:
    params = read_params("evaluate", "tracking", "runtime")
    machine = prepare_machine(params.runtime)
    data = read_description(SUBSET)
    test, every = test_images(data)
    networks = {name: machine.prepare(load_model(Path("models") / name)[0]) for name in names}
    logits = {name: logits_by(network, every, params.evaluate, machine) for name, network in networks.items()}
    tested = {name: each[-len(test) :] for name, each in logits.items()}
    assessments = {name: assess(each, test.labels) for name, each in tested.items()}
    on_every = {name: assess(each, every.labels) for name, each in logits.items()}
    reference = comparable(params.evaluate.reference, data)

    superclasses = Superclasses.of(data.superclasses)
    twins, suspects = read_twins(TWINS), suspects_among(test, tested)
    test_twins = TestTwins.of(twins, len(test))
    correct = {name: each.correct for name, each in assessments.items()}
    remaining, difference_there = scores_without(correct, test_twins, suspects)
    results = {
        name: single_figures(assessments[name], on_every[name], superclasses)
        | scaled(name, networks[name], tested[name], test.labels, data, params.evaluate, machine)
        | remaining[name]
        for name in names
    }
    difference = difference_of_two(list(assessments.values())) | difference_there
    write_json(METRICS / "evaluate.json", results | ({"difference": difference} if difference else {}))
    figures = {name: end_of_training(name) | values for name, values in results.items()}
    write_json(METRICS / "summary.json", summary(figures, difference))
    doubts = doubts_in_words(test_twins, suspects, read_remarks(TWINS))
    for name in names:
        write_card(Path("models") / name, data, figures[name], assessments[name], doubts, machine.environment())
    figures[names[-1]] |= against_first(difference)
    shown = gallery_images(params.evaluate.gallery, len(every), len(test))
    files = [
        *write_tables(figures, reference, assessments, data),
        *plot_results(assessments, data, superclasses),
        *(plot_gallery_of(name, networks[name], on_every[name], every, shown, data, machine) for name in names),
        *plot_doubtful(twins, suspects, test, data.classes),
        *(save_predictions(name, each) for name, each in assessments.items()),
    ]
    tags = evaluation_tag(names, reference) | {TEST_IMAGES: data.sha256["test"], TEST_SIZE: str(len(test))}
    record_results(params.tracking.experiment, figures, files, "evaluate", tags, COMPARED)
    register_models(params.tracking.experiment, names)


def test_images(data: Description) -> tuple[Split, Split]:
    """Return the test split, and the same preceded by the validation images if a study took those from the test set."""
    test = read_split(SUBSET / "test")
    if data.validation_from == "test":
        return test, read_split(SUBSET / "validation").followed_by(test)
    return test, test


def logits_by(network: Classifier, images: Split, evaluate: Evaluate, machine: Machine) -> Logits:
    return logits_of(network, channels_first(images.images), evaluate.batch_size, machine).numpy()


def scaled(
    name: str,
    network: Classifier,
    logits: Logits,
    labels: NDArray[np.int64],
    data: Description,
    evaluate: Evaluate,
    machine: Machine,
) -> dict[str, float]:
    """Fit a network's temperature if the study asks for it, write it beside the card, and return what it changes.

    Args:
        name: The model.
        network: The network.
        logits: Its logits on the test images (N×K).
        labels: The labels of the test images (N).
        data: The description of the data set; the temperature is fitted on its validation images, if it has any.
        evaluate: The parameters of the evaluation.
        machine: Where the network runs.
    """
    figures: dict[str, float] = {}
    if evaluate.temperature and data.validation_from:
        validation = read_split(SUBSET / "validation")
        temperature = fit_temperature(logits_by(network, validation, evaluate, machine), validation.labels)
        figures = scaled_figures(logits, labels, temperature)
    write_temperature(Path("models") / name, figures.get("temperature", 1.0))
    return figures


def suspects_among(test: Split, logits: dict[str, Logits]) -> Suspects:
    """Write each network's probabilities; return the test images whose labels are suspect by the mean of them all.

    By the probabilities of one network, all that is left out would be its own errors.
    """
    probabilities = {name: softmax(each.astype(np.float64), axis=1).astype(np.float16) for name, each in logits.items()}
    DETAILS.mkdir(parents=True, exist_ok=True)
    for name, each in probabilities.items():
        with replacing(DETAILS / f"probabilities_{name}.npy") as draft:
            save_array(draft, each)
    return suspect_labels(mean_probabilities(list(probabilities.values())), test.labels)


def plot_doubtful(twins: list[TwinPair], suspects: Suspects, test: Split, classes: list[str]) -> list[Path]:
    """Plot twins of test images and the most suspect labels; return the files."""
    files = [PLOTS / "twins.png", PLOTS / "suspect_labels.png"]
    splits = {split: read_split(SUBSET / split) for split in {name for pair in twins for name in pair.splits}}
    plot_twins(files[0], twins_to_show(twins), splits, classes)
    plot_suspects(files[1], suspects, "test", test, read_numbers(TWINS, "test"), classes)
    return files


def comparable(reference: Reference | None, data: Description) -> Reference | None:
    """Return the published figures if they are for images like these."""
    if reference and (reference.source, reference.classes) == (data.source, len(data.classes)):
        return reference
    return None


def single_figures(on_test: Assessment, on_every: Assessment, superclasses: Superclasses | None) -> dict[str, float]:
    """Return a network's metrics on the test images, and its accuracy with validation images taken from these."""
    figures = on_test.figures() | (superclasses.figures(on_test.confusion) if superclasses else {})
    if len(on_every.labels) > len(on_test.labels):
        figures["test_accuracy_all"] = on_every.accuracy
    return figures


def difference_of_two(assessments: list[Assessment]) -> dict[str, float]:
    """Compare the second network with the first; return nothing unless there are exactly two."""
    if len(assessments) != 2:
        return {}
    first, second = assessments
    return compare(first.correct, second.correct).figures()


def summary(figures: dict[str, dict[str, float]], difference: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the few numbers that are DVC's metrics, by which experiments are compared."""
    by_model = {name: {key: values[key] for key in SUMMARY} for name, values in figures.items()}
    if not difference:
        return by_model
    return by_model | {"difference": {key: difference[key] for key in ("test_accuracy", "mcnemar_p")}}


def end_of_training(name: str) -> dict[str, float]:
    """Return the accuracies at the end of a model's training."""
    training = json.loads((METRICS / f"train_{name}.json").read_text(encoding="utf-8"))
    return {key: value for key, value in training.items() if key.startswith("train_accuracy")}


def write_tables(
    figures: dict[str, dict[str, float]],
    reference: Reference | None,
    assessments: dict[str, Assessment],
    data: Description,
) -> list[Path]:
    """Write Table 2, Table 3, the scores by class and the most confused pairs; return the files."""
    # There is one run of each model; they form a pair whatever their seed, here called 0.
    table = accuracy_table({name: {0: values} for name, values in figures.items()}, reference)
    write_text(METRICS / "table.csv", table.render("csv"))
    write_text(METRICS / "table.md", table.render("md"))
    write_rows(DETAILS / "per_class.csv", per_class_rows(assessments, data.classes, data.superclasses))
    confused = [pair for name, each in assessments.items() for pair in confused_pairs(name, each, data.classes)]
    write_rows(DETAILS / "confused_pairs.csv", confused, ["model", "actual", "predicted", "images"])
    write_parts(DETAILS / "extremes.md", {name: extremes(each, data.classes) for name, each in assessments.items()})
    scores = {name: classification(name, each, reference, data.classes) for name, each in assessments.items()}
    write_parts(DETAILS / "classification.md", scores)
    return [METRICS / "table.csv", METRICS / "table.md", *sorted(DETAILS.iterdir())]


def confused_pairs(name: str, assessment: Assessment, classes: list[str]) -> list[dict[str, str]]:
    return [
        {"model": name, "actual": classes[actual], "predicted": classes[predicted], "images": str(count)}
        for actual, predicted, count in most_confused(assessment.confusion, CONFUSED_PAIRS)
    ]


def extremes(assessment: Assessment, classes: list[str]) -> Table:
    accuracy = dict(zip(classes, assessment.per_class.tolist(), strict=True))
    best, worst = best_and_worst(assessment.per_class, min(EXTREMES, len(classes) // 2))
    return extremes_table(accuracy, [classes[k] for k in best], [classes[k] for k in worst])


def classification(name: str, assessment: Assessment, reference: Reference | None, classes: list[str]) -> Table:
    source = reference.by_class.get(name, {}) if reference else {}
    return classification_table(classification_rows(assessment, classes), reference.name if reference else "", source)


def save_predictions(name: str, assessment: Assessment) -> Path:
    """Write the network's prediction for each test image, for `tinyres promote`."""
    file = Path("data") / f"predictions_{name}.csv"
    write_predictions(file, Predictions(assessment.labels, assessment.predicted, assessment.probability))
    return file


def write_parts(file: Path, tables: dict[str, Table]) -> None:
    """Write one Markdown file with a table per model."""
    write_text(file, "\n".join(f"**{name}**\n\n{table.render('md')}" for name, table in tables.items()))


def write_rows(file: Path, rows: list[dict[str, str]], columns: list[str] | None = None) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())


def plot_results(
    assessments: dict[str, Assessment], data: Description, superclasses: Superclasses | None
) -> list[Path]:
    """Plot curves, reliability, confusion matrices and, for two models, the gain by class; return the files."""
    histories = {name: read_curves(HISTORY / f"{name}.csv") for name in assessments}
    files = [PLOTS / "accuracy.png", PLOTS / "loss.png"]
    for file in files:
        plot_curves(file, histories, file.stem)
    files.append(PLOTS / "reliability.png")
    plot_reliability(files[-1], {name: each.calibration for name, each in assessments.items()})
    for name, each in assessments.items():
        files.append(PLOTS / f"confusion_{name}.png")
        plot_confusion(files[-1], each.confusion, data.classes, superclasses)
    if len(assessments) == 2:
        files.append(PLOTS / "class_gain.png")
        gains = [(data.classes[label], gain) for label, gain in class_gains(*assessments.values())]
        plot_gains(files[-1], gains, list(assessments))
    return files


def gallery_images(first: list[int], images: int, tested: int) -> list[int]:
    """Return the numbers of twenty images: those that the study names, then the first test images.

    Args:
        first: The numbers that the study names, counted from 0.
        images: The number of test images, with those before them that a study took for validation.
        tested: The number of test images; they are the last ones.
    """
    for number in first:
        if number >= images:
            raise UserError(f"evaluate.gallery names image {number}, but there are {images}; count from 0.")
    others = [number for number in range(images - tested, images) if number not in first]
    return [*first, *others][:GALLERY_IMAGES]


def plot_gallery_of(
    name: str,
    network: Classifier,
    assessment: Assessment,
    images: Split,
    shown: list[int],
    data: Description,
    machine: Machine,
) -> Path:
    """Plot images with their predictions and with the parts of them that speak for these; return the file."""
    pixels, predicted = images.images[shown], assessment.predicted[shown].tolist()
    file = PLOTS / f"gallery_{name}.png"
    plot_gallery(
        file,
        pixels,
        predicted=[data.classes[label] for label in predicted],
        probability=assessment.probability[shown].tolist(),
        actual=[data.classes[label] for label in images.labels[shown]],
        heat=heat_maps(network, pixels, predicted, machine),
    )
    return file


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1:])
