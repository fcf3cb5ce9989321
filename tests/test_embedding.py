"""How clustered features are is counted right, and their picture is the same to the byte."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.metrics import silhouette_score

from tinyres.common.errors import UserError
from tinyres.evaluation import embedding
from tinyres.evaluation.embedding import clustering, project, project_side_by_side
from tinyres.figures.embeddings import closer_look, plot_embeddings, reach
from tinyres.params import Embed

EMBED = Embed(perplexity=5, iterations=250, neighbours=5)


def clusters(count: int, size: int, distance: float, dimensions: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """`count` groups of normally distributed features whose centres lie `distance` from the origin, mixed."""
    generator = np.random.default_rng(0)
    groups = generator.permutation(np.repeat(np.arange(count), size))
    centres = distance * np.eye(count, dimensions)
    return (centres[groups] + generator.normal(size=(len(groups), dimensions))).astype(np.float32), groups


def knn_by_brute_force(features: np.ndarray, groups: np.ndarray, neighbours: int) -> float:
    right = 0
    for row, feature in enumerate(features):
        distances = ((features - feature) ** 2).sum(1)
        distances[row] = np.inf  # an image is not its own neighbour
        votes = np.bincount(groups[np.argsort(distances, kind="stable")[:neighbours]])
        right += int(votes.argmax()) == groups[row]
    return right / len(features)


def test_separate_clusters_are_found():
    features, groups = clusters(4, 25, distance=100)
    figures = clustering(features, {"class": groups}, 5)
    assert figures["class_knn"] == 1
    assert figures["class_silhouette"] > 0.9


def test_groups_without_a_pattern_are_none():
    features, groups = clusters(4, 250, distance=0)
    figures = clustering(features, {"class": groups}, 5)
    assert figures["class_knn"] == pytest.approx(1 / 4, abs=0.05)
    assert figures["class_silhouette"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("neighbours", [1, 2, 5, 10])
def test_the_neighbours_vote_without_the_image_itself(neighbours):
    features, groups = clusters(5, 30, distance=2)
    figures = clustering(features, {"class": groups, "superclass": groups // 2}, neighbours)
    assert figures["class_knn"] == knn_by_brute_force(features, groups, neighbours)
    assert figures["superclass_knn"] == knn_by_brute_force(features, groups // 2, neighbours)
    assert figures["class_silhouette"] == pytest.approx(float(silhouette_score(features, groups)))
    assert 0 < figures["class_knn"] < 1


def test_two_neighbours_that_disagree_count_for_the_smaller_label():
    features = np.array([[0.0], [1.0], [-1.1]], np.float32)
    assert clustering(features, {"class": np.array([0, 0, 1])}, 2)["class_knn"] == 2 / 3
    assert clustering(features, {"class": np.array([1, 1, 0])}, 2)["class_knn"] == 0


def test_no_more_neighbours_than_there_are_other_images():
    features, groups = clusters(2, 3, distance=9)
    assert clustering(features, {"class": groups}, 100) == clustering(features, {"class": groups}, 5)


def test_groupings_that_say_nothing_are_left_out():
    features, groups = clusters(2, 10, distance=9)
    alone, singletons = np.ones(20, np.int64), np.arange(20)
    assert clustering(features, {"all": np.zeros(20, np.int64), "one": alone, "each": singletons}, 5) == {}
    assert list(clustering(features, {"all": alone, "class": groups}, 5)) == ["class_knn", "class_silhouette"]


@pytest.mark.parametrize(("perplexity", "advice"), [(30, 9), (31, 9), (1000, 9)])
def test_a_perplexity_that_is_too_large_is_one_sentence(perplexity, advice):
    features, _ = clusters(3, 10, distance=9)
    with pytest.raises(UserError) as caught:
        project(features, EMBED.model_copy(update={"perplexity": perplexity}), seed=0)
    assert str(caught.value) == (
        f"embed.perplexity is {perplexity}, but there are only 30 test images; give at most {advice}."
    )


def test_the_picture_keeps_clusters_together():
    features, groups = clusters(3, 20, distance=50)
    points = project(features, EMBED, seed=0)
    assert (points.shape, points.dtype) == ((60, 2), np.float32)
    assert clustering(points, {"class": groups}, 5)["class_knn"] > 0.95


PICTURE = """
import sys
import numpy as np
from tinyres.evaluation.embedding import project
from tinyres.params import Embed
features = np.random.default_rng(0).normal(size=(600, 512)).astype(np.float32)
sys.stdout.buffer.write(project(features, Embed(perplexity=5, iterations=250, neighbours=5), 0).tobytes())
"""


def test_the_picture_is_the_same_to_the_byte_on_any_number_of_threads():
    def picture(threads: int) -> bytes:
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[1] / "src"),
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
        }
        return subprocess.run(
            [sys.executable, "-c", PICTURE], env=environment, stdout=subprocess.PIPE, check=True
        ).stdout

    once = picture(1)
    assert len(once) == 600 * 2 * 4
    assert picture(4) == once


@pytest.mark.parametrize("limit", [0, embedding.ONE_PROCESS])
def test_networks_side_by_side_are_placed_as_each_alone_in_one_process_or_in_several(monkeypatch, limit):
    monkeypatch.setattr(embedding, "ONE_PROCESS", limit)
    features = {name: clusters(3, 20, distance)[0] for name, distance in (("one", 5), ("two", 9), ("three", 0))}
    together = project_side_by_side(features, EMBED, seed=3)
    assert list(together) == list(features)
    for name, each in features.items():
        assert together[name].tobytes() == project(each, EMBED, seed=3).tobytes()


@pytest.mark.parametrize(("limit", "several"), [(0, True), (embedding.ONE_PROCESS, False)])
def test_a_small_study_is_projected_without_starting_processes(monkeypatch, limit, several):
    monkeypatch.setattr(embedding, "ONE_PROCESS", limit)
    get_reusable_executor().shutdown()  # of an earlier test
    before = set(psutil.Process().children())
    features = {name: clusters(3, 20, distance=5)[0] for name in ("one", "two")}
    project_side_by_side(features, EMBED, seed=3)
    assert bool(set(psutil.Process().children()) - before) == several


@pytest.mark.parametrize("limit", [0, embedding.ONE_PROCESS])
def test_what_goes_wrong_beside_another_network_is_one_sentence(monkeypatch, limit):
    monkeypatch.setattr(embedding, "ONE_PROCESS", limit)
    features, _ = clusters(3, 10, distance=9)
    with pytest.raises(UserError, match="there are only 30 test images"):
        project_side_by_side({"one": features, "two": features}, EMBED.model_copy(update={"perplexity": 40}), seed=0)


CLASSES = ["ray", "shark", "seal", "whale", "otter", "bus"]
SUPERCLASSES = ["fish", "fish", "aquatic_mammals", "aquatic_mammals", "aquatic_mammals", "vehicles_1"]


@pytest.mark.parametrize(
    ("chosen", "superclasses", "rows"),
    [
        (range(6), SUPERCLASSES, 2),  # of several superclasses, one closer
        ((0, 1, 5), SUPERCLASSES, 2),  # none of them the one that is preferred
        ((2, 3, 4), SUPERCLASSES, 1),
        (range(6), None, 1),
    ],
)
def test_the_picture_has_a_closer_look_where_there_are_several_superclasses(tmp_path, chosen, superclasses, rows):
    classes = [CLASSES[label] for label in chosen]
    of_these = superclasses and [superclasses[label] for label in chosen]
    labels = np.arange(40) % len(classes)
    points = {name: np.random.default_rng(k).normal(size=(40, 2)) for k, name in enumerate(("one", "two"))}
    for file in ("a.png", "b.png"):
        plot_embeddings(tmp_path / file, points, labels, classes, of_these)
    width, height = struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])
    assert round(height / width * 2) == rows
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_closer_looks_have_one_size_and_hold_most_of_the_images():
    generator = np.random.default_rng(0)
    points = {"near": generator.normal(size=(500, 2)), "far": generator.normal((30, -5), 4, size=(500, 2))}
    squares = closer_look(points)
    assert squares["near"].half == squares["far"].half
    for name, square in squares.items():
        inside = (np.abs(points[name] - square.centre) <= square.half).all(axis=1)
        assert inside.mean() > 0.6


def test_the_scale_holds_every_image_unless_a_few_are_far_off():
    points = np.random.default_rng(0).uniform(-10, 10, size=(500, 2))
    assert reach({"one": points, "two": points / 2}) == pytest.approx(1.03 * np.abs(points).max())
    points[0] = 1000
    assert 10 < reach({"one": points}) < 20
