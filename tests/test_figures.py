"""Charts of results are drawn for every study's shape, and the same results give the same bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import style
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from tinyres.common.dataset import Split
from tinyres.evaluation.calibration import calibrate
from tinyres.evaluation.superclasses import Superclasses
from tinyres.evaluation.trust import Suspects, TwinPair
from tinyres.evaluation.uncertainty import Estimate
from tinyres.figures.colours import distinct_colours, oklab
from tinyres.figures.confusion import block_order, plot_confusion
from tinyres.figures.curves import plot_curves
from tinyres.figures.embeddings import plot_embeddings
from tinyres.figures.gains import plot_gains
from tinyres.figures.images import plot_gallery
from tinyres.figures.reliability import FEW, plot_reliability
from tinyres.figures.style import COLOURS, NETWORKS, looks
from tinyres.figures.trust import plot_suspects, plot_twins

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """All figures that were saved, for a look at what is in them."""
    figures: list[Figure] = []
    save = Figure.savefig

    def savefig(figure: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


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


@pytest.mark.parametrize(
    "confident", [np.ones(50), np.full(FEW - 1, 0.5), GENERATOR.random(500)], ids=["sure", "few", "many"]
)
def test_a_reliability_diagram_has_room_whichever_bins_are_empty_or_have_few_images(tmp_path, drawn, confident):
    """Three quarters of what the legend leaves are the upper panel's, as its height is three times the lower one's."""
    other = GENERATOR.random(20_000)  # no bin of few images
    networks = {"baseline": calibrate(other, other > 0.5), "modified": calibrate(confident, confident > 0.5)}
    for file in (tmp_path / "one.png", tmp_path / "two.png"):
        plot_reliability(file, networks)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    above, below = (axis.get_position() for axis in drawn[0].axes)
    assert above.height == pytest.approx(3 * below.height)
    assert above.height + below.height > 0.65


@pytest.mark.parametrize("classes", [2, 5, 10, 25, 26, 99, 100])
def test_every_class_has_a_line_of_its_own_in_the_chart_of_gains(tmp_path, classes):
    gains = [(f"some_class_{label}", Estimate(gain, gain - 0.1, gain + 0.1)) for label, gain in
             enumerate(np.linspace(0.2, -0.1, classes).tolist())]  # fmt: skip
    plot_gains(tmp_path / "one.png", gains, ["baseline", "modified"])
    rows = classes if classes <= 25 else (classes + 1) // 2
    assert size_of(tmp_path / "one.png")[1] / rows > 30, "pixels"


def test_gains_of_nothing_at_all(tmp_path):
    nothing = Estimate(0.0, 0.0, 0.0)
    plot_gains(tmp_path / "one.png", [("cat", nothing), ("dog", nothing)], ["baseline", "modified"])
    assert size_of(tmp_path / "one.png")[0] > 0


def test_a_network_looks_the_same_whatever_stands_beside_it():
    alone = {name: looks([name])[name] for name in NETWORKS}
    assert looks(NETWORKS) == alone
    assert looks(["cnn", "modified"]) == {name: alone[name] for name in ("cnn", "modified")}
    assert len({look.colour for look in alone.values()}) == len({look.marker for look in alone.values()}) == 5


@pytest.mark.parametrize("networks", [["mine"], ["mine", "baseline"], ["a", "b", "c", "modified"]], ids=",".join)
def test_other_networks_take_what_is_free(networks):
    assert len({look.colour for look in looks(networks).values()}) == len(networks)


def curve(epochs: int) -> list[dict[str, float]]:
    names = ("train_accuracy", "train_loss", "test_accuracy", "test_loss")
    return [{"epoch": epoch} | dict.fromkeys(names, 0.1 * epoch) for epoch in range(1, epochs + 1)]


@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_epochs_are_whole_numbers_and_a_single_one_is_four_different_markers(tmp_path, drawn, epochs):
    plot_curves(tmp_path / "accuracy.png", {"baseline": curve(epochs), "cnn": curve(epochs)}, "accuracy")
    axis = drawn[0].axes[0]
    ticks = [tick for tick in axis.get_xticks() if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)
    seen = {(line.get_marker(), line.get_color(), line.get_markerfacecolor()) for line in axis.lines}
    assert len(seen) == 4
    assert all((marker == "None") == (epochs > 1) for marker, *_ in seen)


def test_a_bin_of_few_images_is_hollow_and_joined_to_nothing(tmp_path, drawn):
    many = np.concatenate([np.full(FEW, 0.1), np.full(FEW - 1, 0.5), np.full(FEW, 0.9)])
    plot_reliability(tmp_path / "one.png", {"cnn": calibrate(many, many > 0.4)})
    axis = drawn[0].axes[0]
    joined = [line for line in axis.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
    hollow = [line for line in axis.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    assert [int(np.isfinite(line.get_ydata()).sum()) for line in joined] == [2]
    assert [(line.get_xdata().tolist(), line.get_markerfacecolor()) for line in hollow] == [([50.0], "white")]
    assert {"perfect calibration", f"fewer than {FEW} images"} <= set(words(drawn[0]))


def test_a_gain_has_the_colour_of_the_better_network_and_its_interval(tmp_path, drawn):
    gains = [("cat", Estimate(0.2, 0.1, 0.3)), ("dog", Estimate(-0.1, -0.3, 0.05))]
    plot_gains(tmp_path / "one.png", gains, ["baseline", "modified"])
    axis = drawn[0].axes[0]
    colour = {name: look.colour for name, look in looks(["baseline", "modified"]).items()}
    for bar, better in zip(axis.patches, ("modified", "baseline"), strict=True):
        assert same_color(bar.get_facecolor(), colour[better])
    (intervals,) = axis.collections
    ends = [path.vertices[:, 0].tolist() for path in intervals.get_paths()]
    assert ends == [[pytest.approx(10), pytest.approx(30)], [pytest.approx(-30), pytest.approx(5)]]
    assert {"baseline better", "modified better"} <= set(words(drawn[0]))


def test_both_panels_of_a_confusion_matrix_and_their_scales_are_aligned(tmp_path, drawn):
    names = [f"class {'long ' * (label % 5)}{label}" for label in range(40)]
    groups = Superclasses.of([f"a superclass of a long name {label % 8}" for label in range(40)])
    plot_confusion(tmp_path / "one.png", GENERATOR.integers(0, 9, (40, 40)), names, groups)
    panels = [axis.get_window_extent() for axis in drawn[0].axes]
    scales = [axis.get_window_extent() for panel in drawn[0].axes for axis in panel.child_axes]
    assert [panel.x0 for panel in panels] == pytest.approx([panels[0].x0] * 2, abs=1)
    assert [panel.x1 for panel in panels] == pytest.approx([panels[0].x1] * 2, abs=1)
    for panel, scale in zip(panels, scales, strict=True):
        assert (scale.y0, scale.y1) == pytest.approx((panel.y0, panel.y1), abs=1)
    assert any("square root" in text for text in words(drawn[0]))


@pytest.mark.parametrize("groups", [1, 8, 20])
def test_groups_have_colours_that_are_told_apart(groups):
    """Two blues of a common palette of 20 are 0.15 apart or less."""
    colours = distinct_colours(groups)
    assert colours[:8] == COLOURS[:groups]
    places = oklab(np.array([to_rgb(colour) for colour in colours]))
    apart = np.linalg.norm(places[:, None] - places, axis=2)[~np.eye(groups, dtype=bool)]
    assert (apart > 0.13).all()


def test_an_embedding_names_twenty_superclasses_in_letters_that_are_read_on_a_page(tmp_path, drawn):
    labels = np.arange(200) % 40
    names = [f"superclass {label % 20}" for label in range(40)]
    points = {name: GENERATOR.normal(size=(200, 2)).astype(np.float32) for name in ("baseline", "modified")}
    plot_embeddings(tmp_path / "one.png", points, labels, [f"class {label}" for label in range(40)], names)
    legend = drawn[0].subfigs[0].legends[0]
    assert len({text.get_text() for text in legend.get_texts()}) == 20
    page = 830 / size_of(tmp_path / "one.png")[0]  # pixels: a README on GitHub
    assert min(text.get_fontsize() for text in legend.get_texts()) * 150 / 72 * page > 12


def test_shares_are_written_in_one_way(tmp_path, drawn):
    plot_gallery(tmp_path / "one.png", np.zeros((2, 4, 4, 3), np.uint8), ["cat", "dog"], [0.5, 1.0], ["cat", "cat"])
    assert {"✓ cat 50 %", "✗ dog 100 %\nis cat"} <= set(words(drawn[0]))


def test_a_gallery_names_what_the_colours_of_its_maps_mean(tmp_path, drawn):
    images, maps = np.zeros((3, 4, 6, 3), np.uint8), np.zeros((3, 4, 6), np.float32)
    plot_gallery(tmp_path / "one.png", images, ["cat"] * 3, [0.5] * 3, ["cat"] * 3, maps)
    assert {"least", "most", "speaks for the predicted class (Grad-CAM)"} <= set(words(drawn[0]))
    assert [len(axis.images) for axis in drawn[0].axes] == [1, 1, 1, 0, 0]  # image and map in one; the scale last


@pytest.mark.parametrize(("nothing_speaks", "said"), [([], False), ([1], True), ([0, 1, 2], True)])
def test_a_gallery_says_what_a_grey_map_means_if_it_has_one(tmp_path, drawn, nothing_speaks, said):
    maps = np.full((3, 8, 8), 0.5, np.float32)
    maps[nothing_speaks] = 0
    plot_gallery(tmp_path / "one.png", np.zeros((3, 8, 8, 3), np.uint8), ["cat"] * 3, [0.5] * 3, ["cat"] * 3, maps)
    meaning = "A map in plain grey means that no part of the image speaks for the predicted class."
    assert (meaning in words(drawn[-1])) == said


@pytest.mark.parametrize("there", [True, False], ids=["there", "none"])
def test_a_figure_of_doubts_is_there_even_if_there_are_none(tmp_path, drawn, there):
    """Otherwise `dvc exp apply`, beside uncommitted files, leaves the committed one among an experiment's results."""
    images = Split(GENERATOR.integers(0, 256, (3, 16, 16, 3), np.uint8), np.array([0, 1, 0]))
    pairs = [TwinPair(("test", "test"), (0, 1), (0, 1), "near", 0.9, False)] * there
    suspects = Suspects(*(np.array([1] * there, kind) for kind in (np.intp, np.intp, np.float64)))
    plot_twins(tmp_path / "twins.png", pairs, {"test": images}, ["otter", "seal"])
    plot_suspects(tmp_path / "labels.png", suspects, "test", images, np.arange(3), ["otter", "seal"])
    said = {"No twins were found.", "No label of the test images is suspect."}
    assert said & {word for figure in drawn for word in words(figure)} == (set() if there else said)
    assert all(min(size_of(tmp_path / name)) > 100 for name in ("twins.png", "labels.png"))


def test_a_figure_is_opaque_white_whatever_the_users_own_style(tmp_path):
    """As a `matplotlibrc` with dark plots or transparent files would have it."""
    curves = {"net": [{"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 1.0} for epoch in (1, 2)]}
    plot_curves(tmp_path / "plain.png", curves, "loss")
    with style.context(["dark_background", {"savefig.transparent": True, "font.size": 20}]):
        plot_curves(tmp_path / "styled.png", curves, "loss")
    assert (tmp_path / "styled.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    corner = Image.open(tmp_path / "plain.png").convert("RGBA").getpixel((0, 0))
    assert corner == (255, 255, 255, 255)
