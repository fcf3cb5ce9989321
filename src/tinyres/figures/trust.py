"""Figures of what makes a test set doubtful: twins side by side, and images whose labels are suspect."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Split
from tinyres.figures.images import show_image
from tinyres.figures.style import COLOURS, picture

PAIRS, LABELS = 24, 40  # shown
AGREE, CONTRADICT = "black", COLOURS[1]


class Pair(Protocol):
    """What is shown of a pair of twins."""

    @property
    def splits(self) -> tuple[str, str]: ...
    @property
    def rows(self) -> tuple[int, int]: ...
    @property
    def numbers(self) -> tuple[int, int]: ...
    @property
    def kind(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def labels_agree(self) -> bool: ...


class Doubts(Protocol):
    """What is shown of images with suspect labels."""

    @property
    def rows(self) -> NDArray[np.intp]: ...
    @property
    def likely(self) -> NDArray[np.intp]: ...


def plot_twins(
    file: Path | str, pairs: Sequence[Pair], splits: Mapping[str, Split], classes: Sequence[str], columns: int = 4
) -> None:
    """Plot the first pairs side by side, with split, number and label under each image; without any, say so.

    Two labels are in red with ≠ between them.
    """
    pairs = pairs[:PAIRS]
    if not pairs:
        _plot_sentence(file, "No twins were found.")
        return
    rows = -(-len(pairs) // columns)
    with picture(file, width=3 * columns, height=2.1 * rows) as figure:
        axes = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
        for pair, two in zip(pairs, axes, strict=False):
            colour, weight = (AGREE, "normal") if pair.labels_agree else (CONTRADICT, "bold")
            places = zip(two, pair.splits, pair.rows, pair.numbers, strict=True)
            for axis, split, row, number in places:
                show_image(axis, splits[split].images[row])
                label = classes[splits[split].labels[row]].replace("_", " ")
                axis.set_xlabel(f"{split} {number}\n{label}", color=colour, weight=weight, fontsize=8)
            sign = "=" if pair.labels_agree else "≠"
            two[0].set_title(f"{pair.kind} {pair.score:.2f}", fontsize=8, loc="left")
            two[1].set_title(f"labels {sign}", fontsize=8, loc="right", color=colour, weight=weight)
        for axis in axes[len(pairs) :].ravel():
            axis.set_axis_off()


def plot_suspects(
    file: Path | str,
    suspects: Doubts,
    split: str,
    images: Split,
    numbers: NDArray[np.int64],
    classes: Sequence[str],
    columns: int = 8,
) -> None:
    """Plot the most suspect images of a split with the given label and the likely one; without any, say so.

    Args:
        file: Where to.
        suspects: The images with suspect labels.
        split: Its name.
        images: All its images.
        numbers: Of each of them, its number in the source, by which it is named.
        classes: The classes' names.
        columns: Images side by side.
    """
    shown = suspects.rows[:LABELS]
    if not len(shown):
        _plot_sentence(file, f"No label of the {split} images is suspect.")
        return
    rows = -(-len(shown) // columns)
    with picture(file, width=1.5 * columns, height=2 * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, row, likely in zip(axes, shown, suspects.likely, strict=False):
            show_image(axis, images.images[row])
            given, better = (classes[label].replace("_", " ") for label in (images.labels[row], likely))
            axis.set_title(f"{split} {numbers[row]}", fontsize=8)
            axis.set_xlabel(f"given: {given}\n→ {better}?", color=CONTRADICT, fontsize=8)
        for axis in axes[len(shown) :]:
            axis.set_axis_off()


def _plot_sentence(file: Path | str, sentence: str) -> None:
    """Plot what stands in a figure's place where there is nothing to show.

    The file has to be there: beside uncommitted files, `dvc exp apply` does not remove one that Git holds and the
    experiment has not written, and `dvc status` then calls the folder changed (findings/dvc_apply_keeps_files.sh).
    """
    with picture(file, width=6, height=1) as figure:
        figure.text(0.5, 0.5, sentence, ha="center", va="center")
