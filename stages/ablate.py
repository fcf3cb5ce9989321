"""ablate: compare networks with none, either and both of the paper's changes, and share out the gain."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.atomic import write_json, write_text
from tinyres.common.curves import read_curves
from tinyres.common.dataset import Split, read_split
from tinyres.common.errors import UserError, told_in_one_sentence
from tinyres.common.model_folder import read_model_description
from tinyres.common.pixels import channels_first
from tinyres.evaluation.ablation import (
    FactorialEffects,
    Network,
    arrange,
    check_comparable,
    factorial_effects,
    factorial_effects_table,
    networks_table,
)
from tinyres.evaluation.assessment import assess
from tinyres.evaluation.complexity import multiply_accumulates
from tinyres.evaluation.results import record_results
from tinyres.figures.curves import plot_curves
from tinyres.models import count_parameters, load_model
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine, prepare_machine
from tinyres.params import Model, read_params

METRICS = Path("metrics")
PLOTS = Path("plots")


def main(data: Path, folders: list[Path]) -> None:
    """Compare the models in the folders `<study>/models/<name>` on the test images in `data`."""
    params = read_params("evaluate", "tracking", "runtime")
    machine = prepare_machine(params.runtime)
    check_comparable([read_model_description(folder) for folder in folders])
    test = read_split(data / "subset" / "test")
    networks = arrange([measure(folder, test, params.evaluate.batch_size, machine) for folder in folders])
    effects = factorial_effects({changes: each.assessment.correct for changes, each in networks.items()})
    files = [*write_results(list(networks.values()), effects), *plot_histories(folders)]
    # The other two networks have their runs in the study that trained them.
    own = [folder.name for folder in folders if study_of(folder) == Path()]
    figures = {each.name: each.figures() for each in networks.values() if each.name in own}
    record_results(params.tracking.experiment, figures, files, "ablate", {})


def measure(folder: Path, test: Split, batch_size: int, machine: Machine) -> Network:
    classifier, description = load_model(folder)
    training = json.loads((study_of(folder) / f"metrics/train_{folder.name}.json").read_text(encoding="utf-8"))
    cost = count_parameters(classifier.network), multiply_accumulates(classifier.network, description.image_size)
    logits = logits_of(machine.prepare(classifier), channels_first(test.images), batch_size, machine).numpy()
    stem = Model.model_validate(description.spec).stem
    if stem is None:
        raise UserError(f"{folder} has no first convolution of its own; give it a stem in params.yaml.")
    return Network(folder.name, stem, *cost, training["train_accuracy"], assess(logits, test.labels))


def study_of(folder: Path) -> Path:
    """Return the folder of the study to which a model folder belongs."""
    return folder.parent.parent


def write_results(networks: list[Network], effects: FactorialEffects) -> list[Path]:
    """Write both tables as Markdown, the first also as CSV, and all numbers as JSON; return the tables' files."""
    files = [METRICS / "ablation.md", METRICS / "ablation.csv"]
    table = networks_table(networks)
    write_text(files[0], table.render("md") + "\n" + factorial_effects_table(effects).render("md"))
    write_text(files[1], table.render("csv"))
    results = {each.name: each.figures() for each in networks}
    write_json(METRICS / "ablation.json", results | {"effects": effects.figures()})
    return files


def plot_histories(folders: list[Path]) -> list[Path]:
    histories = {each.name: read_curves(study_of(each) / f"plots/history/{each.name}.csv") for each in folders}
    files = [PLOTS / "accuracy.png", PLOTS / "loss.png"]
    for file in files:
        plot_curves(file, histories, file.stem)
    return files


if __name__ == "__main__":
    with told_in_one_sentence():
        main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
