"""Charts of results are drawn for every study's shape, and the same results give the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyres.evaluation.calibration import calibrate
from tinyres.evaluation.superclasses import Superclasses
from tinyres.figures.confusion import block_order, plot_confusion
from tinyres.figures.gains import plot_gains
from tinyres.figures.reliability import plot_reliability

GENERATOR = np.random.default_rng(0)


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        image.load()
        return image.size


@pytest.mark.parametrize(
    ("classes", "superclasses"), [(100, 20), (100, None), (10, 2), (10, None), (5, 1), (3, 3)], ids=str
)
def test_a_confusion_matrix_has_a_second_panel_where_superclasses_tell_something(tmp_path, classes, superclasses):
    names = [f"class {label}" for label in range(classes)]
    groups = Superclasses.of([f"group {label % superclasses}" for label in range(classes)] if superclasses else None)
    matrix = GENERATOR.integers(0, 9, (classes, classes))
    for file in (tmp_path / "one.png", tmp_path / "two.png"):
        plot_confusion(file, matrix, names, groups)
    width, height = size_of(tmp_path / "one.png")
    assert (height > width) == (superclasses in (20, 2))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_class_without_images_has_an_empty_row_in_the_confusion_matrix(tmp_path):
    plot_confusion(tmp_path / "one.png", np.array([[5, 0], [0, 0]]), ["cat", "dog"], None)
    assert size_of(tmp_path / "one.png")[0] > 0


def test_blocks_are_in_the_order_of_superclasses_and_then_of_classes():
    superclasses = Superclasses.of(["pet", "insect", "pet"])
    assert block_order(["dog", "ant", "cat"], superclasses) == [1, 2, 0]
    assert block_order(["dog", "ant", "cat"], None) == [0, 1, 2]


@pytest.mark.parametrize("models", [1, 2, 3])
def test_a_reliability_diagram_has_room_for_empty_bins_and_perfect_scores(tmp_path, models):
    sure = calibrate(np.ones(50), np.ones(50, bool))
    unsure = calibrate(GENERATOR.random(500), GENERATOR.random(500) < 0.5)
    for file in (tmp_path / "one.png", tmp_path / "two.png"):
        plot_reliability(file, {f"model {number}": [sure, unsure, unsure][number] for number in range(models)})
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("classes", [2, 5, 10, 25, 26, 99, 100])
def test_every_class_has_a_line_of_its_own_in_the_chart_of_gains(tmp_path, classes):
    gains = [(f"some_class_{label}", float(gain)) for label, gain in enumerate(np.linspace(20, -10, classes))]
    plot_gains(tmp_path / "one.png", gains, ["baseline", "modified"])
    rows = classes if classes <= 25 else (classes + 1) // 2
    assert size_of(tmp_path / "one.png")[1] / rows > 30, "pixels"


def test_gains_of_nothing_at_all(tmp_path):
    plot_gains(tmp_path / "one.png", [("cat", 0.0), ("dog", 0.0)], ["baseline", "modified"])
    assert size_of(tmp_path / "one.png")[0] > 0
