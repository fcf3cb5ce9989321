"""embed: project the networks' features of the test images to the plane, and measure how well they cluster."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # the package beside this script

from tinyres.common.atomic import replacing, write_json
from tinyres.common.dataset import Description, Labels, read_description, read_split, save_array
from tinyres.common.errors import told_in_one_sentence
from tinyres.common.pixels import channels_first
from tinyres.evaluation.embedding import Groups, clustering, project_side_by_side
from tinyres.evaluation.results import record_results
from tinyres.figures.embeddings import plot_embeddings
from tinyres.models import load_model
from tinyres.models.inference import BATCH_SIZE, features_of
from tinyres.models.machine import prepare_machine
from tinyres.params import read_params

SUBSET = Path("data/subset")
EMBEDDING = Path("data/embedding")
PLOT = Path("plots/tsne.png")


def main(names: list[str]) -> None:
    params = read_params("seed", "embed", "tracking", "runtime")
    machine = prepare_machine(params.runtime)
    data = read_description(SUBSET)
    test = read_split(SUBSET / "test")
    images = channels_first(test.images)
    groupings = group(test.labels, data)

    features = {}
    for name in names:
        classifier, _ = load_model(Path("models") / name)
        features[name] = features_of(machine.prepare(classifier), images, BATCH_SIZE, machine).numpy()
    points = project_side_by_side(features, params.embed, params.seed)
    figures = {name: clustering(each, groupings, params.embed.neighbours) for name, each in features.items()}
    with replacing(EMBEDDING) as draft:
        draft.mkdir()
        for name in names:
            save_array(draft / f"{name}_features.npy", features[name])
            save_array(draft / f"{name}_tsne.npy", points[name])
    write_json("metrics/embed.json", figures)
    plot_embeddings(PLOT, points, test.labels, data.classes, data.superclasses)
    record_results(params.tracking.experiment, figures, [PLOT], "embed", {})


def group(labels: Labels, data: Description) -> dict[str, Groups]:
    """Return the group of each image (N) by class and, if the source has superclasses, by superclass."""
    if data.superclasses is None:
        return {"class": labels}
    names = sorted(set(data.superclasses))
    superclass_of = np.array([names.index(superclass) for superclass in data.superclasses])
    return {"class": labels, "superclass": superclass_of[labels]}


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1:])
