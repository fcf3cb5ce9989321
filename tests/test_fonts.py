"""Names are text in every figure, whatever letters they are written in."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from pipeline import ROOT
from tinyres.evaluation.uncertainty import Estimate
from tinyres.figures.confusion import plot_confusion
from tinyres.figures.embeddings import plot_embeddings
from tinyres.figures.gains import plot_gains
from tinyres.figures.images import plot_augmentations, plot_gallery, plot_labelled_images
from tinyres.figures.probabilities import plot_probabilities

PIXELS = np.zeros((2, 8, 8, 3), np.uint8)
POINTS = np.random.default_rng(0).normal(size=(20, 2))
LABELS = np.arange(20) % 2

FIGURES: dict[str, Callable[[Path, list[str]], object]] = {
    "confusion": lambda file, names: plot_confusion(file, np.eye(2, dtype=np.int64), names, None),
    "embeddings": lambda file, names: plot_embeddings(file, {"cnn": POINTS}, LABELS, names, None),
    "gains": lambda file, names: plot_gains(
        file, [(name, Estimate(0.01, -0.1, 0.1)) for name in names], ["one", "two"]
    ),
    "augmentations": lambda file, names: plot_augmentations(file, [(name, PIXELS) for name in names]),
    "labelled images": lambda file, names: plot_labelled_images(file, PIXELS, names),
    "gallery": lambda file, names: plot_gallery(file, PIXELS, names, [0.5, 0.5], names[::-1]),
    "probabilities": lambda file, names: plot_probabilities(
        file, [(names[0], PIXELS[0], [(name, 0.5) for name in names])]
    ),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_name_is_no_formula(tmp_path, figure):
    names = ["$\\frac{$", "$5_ $10^"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FIGURES[figure](tmp_path / "a.png", names)
    assert (tmp_path / "a.png").stat().st_size > 1000


DRAW = """
import sys, warnings
import numpy as np
from tinyres.figures.confusion import plot_confusion
for number, name in enumerate(sys.argv[2:]):
    plot_confusion(f"{sys.argv[1]}/{number}.png", np.eye(2, dtype=np.int64), [name, "dog"], None)
"""


def drawn(folder: Path, *names: str) -> str:
    """Confusion matrices with a class of each name, where the fonts in `folder` are installed; what was said."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_DATA_HOME": str(folder),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYTHONWARNINGS": "ignore",  # matplotlib's own on each letter that it lacks
    }
    done = subprocess.run(
        [sys.executable, "-c", DRAW, folder, *names], env=environment, capture_output=True, text=True, check=True
    )
    return done.stderr


def install_font(folder: Path, letters: str) -> None:
    """A font that has a black square for each of the letters, and nothing else."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    glyphs = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(letter): f"uni{ord(letter):04X}" for letter in letters})
    builder.setupGlyf({glyph: pen.glyph() for glyph in glyphs})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares Sans", "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    (folder / "fonts").mkdir(parents=True)
    builder.save(folder / "fonts/squares.ttf")


@pytest.mark.slow
def test_a_font_that_was_installed_just_now_is_chosen_for_letters_that_the_usual_one_lacks(tmp_path):
    """matplotlib keeps a list of fonts, which was made before this one was there."""
    drawn(tmp_path, "cat")
    install_font(tmp_path, "\U0001f9ff\U000100fa")
    assert drawn(tmp_path, "\U0001f9ff", "\U000100fa") == ""
    images = [np.asarray(Image.open(tmp_path / f"{number}.png").convert("L")) for number in (0, 1)]
    assert np.array_equal(*images), "both are squares"


@pytest.mark.slow
def test_where_no_font_has_the_letters_one_line_says_what_to_install(tmp_path):
    if "CJK" in subprocess.run(["fc-list"], capture_output=True, text=True, check=False).stdout:
        pytest.skip("a font for Chinese is installed")
    assert drawn(tmp_path, "猫", "いぬ", "새") == (
        "note: figures show boxes for Chinese, Japanese and Korean letters, which no installed font has; "
        "install Noto Sans CJK (Debian's fonts-noto-cjk), say.\n"
    )
