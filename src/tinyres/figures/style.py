"""The style of all plots, and how they are saved: the same content gives the same bytes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure

from tinyres.common.atomic import replacing
from tinyres.figures.fonts import choose_fonts

# Okabe and Ito's colours, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/); yellow, which
# is hard to see on white, comes last.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
NETWORKS = ["baseline", "modified", "cnn", "pretrained", "scratch"]
"""The networks of this repository's studies: each has one look in all of them."""
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a $ in a class's name is a $
}


@dataclass(frozen=True)
class Look:
    """How a network is drawn."""

    colour: str
    marker: str


def looks(networks: Iterable[str]) -> dict[str, Look]:
    """Return the look of each network: its own one if this repository's studies have it, else the next that is free."""
    names = list(networks)
    places = {name: NETWORKS.index(name) for name in names if name in NETWORKS}
    free = (place for place in count() if place not in set(places.values()))
    numbers = {name: places[name] if name in places else next(free) for name in names}
    return {
        name: Look(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]) for name, number in numbers.items()
    }


@contextmanager
def picture(file: Path | str, width: float = 7, height: float = 4) -> Iterator[Figure]:
    """Open a figure in the project's style, and save it as PNG when the body is done; atomic.

    The file holds neither the time nor the version of matplotlib, and the user's own style of plots changes nothing in
    it. The background is opaque white, so that black text is read on a dark page, too.

    Args:
        file: Where to save it.
        width: In inches, at 150 pixels per inch.
        height: In inches.
    """
    with plt.style.context(["default", STYLE]):
        figure = plt.figure(figsize=(width, height))
        try:
            yield figure
            choose_fonts(figure)
            with replacing(file) as draft:
                figure.savefig(draft, format="png", metadata={"Software": None})
        finally:
            plt.close(figure)
