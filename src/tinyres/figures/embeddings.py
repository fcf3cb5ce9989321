"""Where networks place the test images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from tinyres.figures.style import picture


def draw_embeddings(
    file: Path | str, points: Mapping[str, NDArray[np.float32]], groups: NDArray[np.int64], names: Sequence[str]
) -> None:
    """t-SNE of each model side by side, coloured by group (Figure 5b).

    Args:
        points: N×2 per model.
        groups: N, index into `names`.
        names: of the groups: superclasses, or classes where there are none.
    """
    colours = matplotlib.color_sequences["tab20" if len(names) > 10 else "tab10"]
    with picture(file, width=5 * len(points), height=5.2 + 0.22 * -(-len(names) // 4)) as figure:
        axes = figure.subplots(1, len(points), squeeze=False)[0]
        for axis, (name, position) in zip(axes, points.items(), strict=True):
            for group, label in enumerate(name.replace("_", " ") for name in names):
                chosen = groups == group
                axis.scatter(*position[chosen].T, s=4, color=colours[group % len(colours)], label=label,
                             linewidths=0)  # fmt: skip
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_xlabel(name)
            axis.set_aspect("equal", adjustable="datalim")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(names)), markerscale=3, fontsize=8)
