"""embed: where the networks place the test images, in a picture and in numbers."""

import sys
from pathlib import Path

import numpy as np

from tinyres.atomic import replacing, write_json
from tinyres.data.arrays import Description, Labels, read_description, read_split, save_array
from tinyres.embedding import Groups, clustering, project
from tinyres.errors import told_in_one_sentence
from tinyres.figures.embeddings import draw_embeddings
from tinyres.inference import BATCH_SIZE, features_of
from tinyres.models import load_model
from tinyres.params import read_params
from tinyres.pixels import channels_first
from tinyres.runtime import prepare_machine
from tinyres.tracking.results import record_results

SUBSET = Path("data/subset")
EMBEDDING = Path("data/embedding")
PICTURE = Path("plots/tsne.png")


def main(names: list[str]) -> None:
    params = read_params("seed", "embed", "tracking", "runtime")
    machine = prepare_machine(params.runtime)
    data = read_description(SUBSET)
    test = read_split(SUBSET / "test")
    images = channels_first(test.images)
    groupings, superclass_names = group(test.labels, data)

    figures, points = {}, {}
    with replacing(EMBEDDING) as draft:
        draft.mkdir()
        for name in names:
            classifier, _ = load_model(Path("models") / name)
            features = features_of(classifier.to(machine.device), images, BATCH_SIZE, machine).numpy()
            points[name] = project(features, params.embed, params.seed)
            figures[name] = clustering(features, groupings, params.embed.neighbours)
            save_array(draft / f"{name}_features.npy", features)
            save_array(draft / f"{name}_tsne.npy", points[name])
    write_json("metrics/embed.json", figures)
    if superclass_names:
        draw_embeddings(PICTURE, points, groupings["superclass"], superclass_names)
    else:
        draw_embeddings(PICTURE, points, test.labels, data.classes)
    record_results(params.tracking.experiment, figures, [PICTURE], "embed", {})


def group(labels: Labels, data: Description) -> tuple[dict[str, Groups], list[str]]:
    """Images by class and, where there are several, by superclass; and the superclasses' names."""
    groupings = {"class": labels}
    names = sorted(set(data.superclasses or []))
    if data.superclasses and len(names) > 1:
        superclass_of = np.array([names.index(superclass) for superclass in data.superclasses])
        return groupings | {"superclass": superclass_of[labels]}, names
    return groupings, []


if __name__ == "__main__":
    with told_in_one_sentence():
        main(sys.argv[1:])
