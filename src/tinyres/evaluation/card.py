"""A model's card, made from its results: Markdown that starts with the metadata that Hugging Face's hub reads.

M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, doi:10.1145/3287560.3287596. The metadata are those of
https://huggingface.co/docs/hub/model-cards.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tinyres.common.atomic import write_text
from tinyres.common.dataset import Description
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.evaluation.assessment import Assessment, best_and_worst, classification_rows
from tinyres.evaluation.card_folder import CARD, card_folder
from tinyres.evaluation.complexity import multiply_accumulates
from tinyres.evaluation.known_data import known_data
from tinyres.evaluation.tables import accuracy_table, classification_table
from tinyres.models import count_parameters, load_model
from tinyres.tracking.lineage import study

WORST = 5  # classes that the limits name
HUB_METRICS = {"test_accuracy": "accuracy", "test_top5": "top5_accuracy", "test_loss": "loss", "test_ece": "ece"}


def write_card(
    model: Path | str,
    data: Description,
    figures: Mapping[str, float],
    assessment: Assessment,
    doubts: str,
    environment: str,
) -> None:
    """Write the card of a model folder, `cards/<name>/README.md`.

    Args:
        model: The model folder.
        data: The data set that it was trained and tested on.
        figures: Its metrics, under the names that the metrics files use.
        assessment: Its assessment on the test images.
        doubts: How many test images have twins or suspect labels, in whole sentences.
        environment: Versions and hardware of the evaluation.
    """
    classifier, description = load_model(model)
    operations = multiply_accumulates(classifier.network, description.image_size)
    sections = {
        "Results": results(description.name, figures),
        "Use and limits": use_and_limits(data, figures, assessment),
        "How to load it": how_to_load(model, description),
        "Network": network(description, count_parameters(classifier.network), operations),
        "Data": about_data(data, doubts),
        "Recipe": recipe(description),
        "How it was made": how_it_was_made(model, environment),
        "Licence": "The weights and the code have the MIT licence. For the images see [Data](#data).",
        "Results by class": classification_table(classification_rows(assessment, data.classes), "", {}).render("md"),
    }
    parts = [
        f"---\n{as_yaml(metadata(description, data, figures))}---",
        f"# {description.name}",
        summary(description, data, figures),
        *(f"## {title}\n\n{text.rstrip()}" for title, text in sections.items()),
    ]
    write_text(card_folder(model) / CARD, "\n\n".join(parts) + "\n")


def metadata(description: ModelDescription, data: Description, figures: Mapping[str, float]) -> dict[str, Any]:
    """Return the block at the top of the card; metrics are fractions, and the loss is in nats."""
    known = known_data(data.source)
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"type": known.identifier, "name": known.title, "split": "test"},
        "metrics": [
            {"type": theirs, "value": figures[ours], "name": ours}
            for ours, theirs in HUB_METRICS.items()
            if ours in figures
        ],
    }
    return {
        "license": "mit",
        "library_name": "tinyres",
        "pipeline_tag": "image-classification",
        "tags": ["pytorch", "safetensors", description.spec["architecture"]],
        "datasets": [known.identifier],
        "metrics": ["accuracy"],
        "model-index": [{"name": description.name, "results": [result]}],
    }


def summary(description: ModelDescription, data: Description, figures: Mapping[str, float]) -> str:
    """Return what the model is, in two sentences."""
    accuracy, low, high = (100 * figures[f"test_accuracy{end}"] for end in ("", "_low", "_high"))
    return (
        f"A network (`{description.spec['architecture']}`) that assigns images of {size_of(description)} pixels to "
        f"{len(data.classes)} classes. It classifies {accuracy:.2f} % of {data.sizes['test']} test images of "
        f"{known_data(data.source).title} correctly (95 % interval {low:.2f} to {high:.2f} %)."
    )


def size_of(description: ModelDescription) -> str:
    return "×".join(map(str, description.image_size))


def results(name: str, figures: Mapping[str, float]) -> str:
    """Return the metrics as a table, with what their intervals are about."""
    return (
        f"{accuracy_table({name: {0: figures}}, None).render('md')}\n"
        "The intervals are about other test images for this network as it was trained. How much another training would "
        "differ, they do not say."
    )


def use_and_limits(data: Description, figures: Mapping[str, float], assessment: Assessment) -> str:
    """Return what the model is for, and where it fails."""
    _, worst = best_and_worst(assessment.per_class, min(WORST, len(data.classes)))
    weak = ", ".join(f"{data.classes[label]} ({100 * assessment.per_class[label]:.0f} %)" for label in worst)
    if "temperature" in figures:
        confidence = (
            f"Its probabilities are off by {100 * figures['test_scaled_ece']:.1f} points on average (expected "
            f"calibration error) at the temperature {figures['temperature']:.3f}, which `tinyres predict` applies, and "
            f"by {100 * figures['test_ece']:.1f} without it."
        )
    else:
        confidence = (
            f"Its probabilities are off by {100 * figures['test_ece']:.1f} points on average (expected calibration "
            "error); no temperature was fitted."
        )
    return "\n".join(
        [
            "The model is meant for research and teaching: for comparing networks and recipes on small images.",
            "",
            f"- It knows only its {len(data.classes)} classes, and gives every image one of them, whatever it shows.",
            f"- It recognises these classes least often: {weak}.",
            f"- {confidence}",
            "- It was tested on images like those it was trained on. Other cameras, crops or sizes were not tested.",
            "- Nothing that matters to a person should depend on its answers.",
        ]
    )


def how_to_load(model: Path | str, description: ModelDescription) -> str:
    """Return three lines of Python that load the model and use it."""
    height, width = description.image_size
    answer = f"float32 N×{len(description.classes)}"
    return (
        "```python\n"
        "from tinyres.cli.serving import ServedModel\n\n"
        f'model = ServedModel("{Path(model).as_posix()}")\n'
        f"probabilities = model.predict(images)  # uint8 N×{height}×{width}×3, RGB; {answer}\n"
        "```\n\n"
        "`model.description.classes` are the names of the classes, in the order of the probabilities. Pixels are given "
        "as stored; the model normalises them itself."
    )


def network(description: ModelDescription, parameters: int, operations: int) -> str:
    """Return architecture and cost."""
    mean, std = (", ".join(f"{value:.4f}" for value in each) for each in (description.mean, description.std))
    return (
        f"- architecture: `{description.spec['architecture']}`, with the options under `model` in [Recipe](#recipe)\n"
        f"- trainable parameters: {parameters:,}\n"
        f"- multiply-accumulate operations for one image: {operations:,}\n"
        f"- input: {size_of(description)} RGB pixels, minus the mean ({mean}), divided by the standard deviation "
        f"({std})"
    )


def about_data(data: Description, doubts: str) -> str:
    """Return origin, splits and faults of the images: those that others report, and what was found here."""
    known = known_data(data.source)
    sizes = ", ".join(f"{count} {split}" for split, count in data.sizes.items())
    validation = (
        f"The validation images come from the {data.validation_from} split of the source."
        if data.validation_from
        else "There are no validation images; curves and figures of the training are about the test images."
    )
    found = f"**Found here.** {doubts} [Results](#results) has the accuracy without them."
    faults = "\n".join(f"- {fault}" for fault in (*known.faults_among(data.classes), found))
    title = known.title[0].upper() + known.title[1:]
    return f"{title}. {known.origin}\n\nImages: {sizes}. {validation}\n\nKnown faults:\n\n{faults}"


def recipe(description: ModelDescription) -> str:
    """Return the parameters of the training as they stand in `model.json`."""
    return f"```yaml\n{as_yaml(description.training['params'])}```"


def how_it_was_made(model: Path | str, environment: str) -> str:
    """Return the commands that make the model again, and by what it is recognised.

    The commit is not named, but found by the weights: an output that held it would change whenever it is committed.
    """
    weights = weights_hash(model)
    folder = study() or "."
    enter = [] if folder == "." else [f"cd {folder}"]
    commands = "\n".join([f"git checkout $(git log -1 --format=%H -S {weights})", *enter, "dvc repro evaluate"])
    return (
        f"```console\n{commands}\n```\n\n"
        "The first command finds the commit with these results. Where its `params.yaml` differs from the "
        "[recipe](#recipe), the recipe is what was used.\n\n"
        f"- SHA-256 of the weights: `{weights}`\n"
        f"- evaluated with {environment}; `requirements.lock` lists every package"
    )


def as_yaml(value: dict[str, Any]) -> str:
    """Return plain values as YAML in block style, ending in a newline."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    writer.dump(value, text)
    return text.getvalue()
