"""Colours that are told apart, for more groups than a palette made by hand has."""

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import NDArray

from tinyres.figures.style import COLOURS

# B. Ottosson, "A perceptual color space for image processing", 2020 (https://bottosson.github.io/posts/oklab/): from
# linear sRGB to the answers of the eye's cones, and from their cube roots to lightness, green to red, blue to yellow.
CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
OKLAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
LIGHTNESS = (0.3, 0.85)  # of colours that are seen on white and are not taken for black
STEPS = 16  # per channel


def distinct_colours(groups: int) -> list[str]:
    """Return as many colours: the project's own, and if these do not suffice, each further one as far as possible, in
    Oklab, from those before it and from white."""
    chosen = COLOURS[: min(groups, len(COLOURS))]
    levels = np.linspace(0, 1, STEPS)
    candidates = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    places = oklab(candidates)
    seen = (places[:, 0] >= LIGHTNESS[0]) & (places[:, 0] <= LIGHTNESS[1])
    candidates, places = candidates[seen], places[seen]
    while len(chosen) < groups:
        taken = oklab(np.array([to_rgb(colour) for colour in [*chosen, "white"]]))
        distance = np.linalg.norm(places[:, None] - taken, axis=2).min(axis=1)
        chosen = [*chosen, to_hex(tuple(candidates[int(distance.argmax())]))]
    return chosen


def oklab(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return colours (N×3, sRGB in [0, 1]) in Oklab, where equal distances look about equally large (N×3)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ CONES.T) @ OKLAB.T)
