"""Plot of confidence against accuracy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinyres.evaluation.calibration import Calibration
from tinyres.evaluation.uncertainty import wilson_interval
from tinyres.figures.style import looks, picture

FEW = 20  # images; the interval of an accuracy of fewer spans 40 points or more around one half


def plot_reliability(file: Path | str, calibrations: Mapping[str, Calibration]) -> None:
    """Plot the reliability diagram of every model (Guo et al., arXiv:1706.04599, Figure 1) and the images in each bin.

    Each point lies at the mean confidence of its bin and has the 95 % interval of its accuracy. Below the diagonal a
    network is overconfident. Bins of few images are hollow, and no line joins them to their neighbours.
    """
    with picture(file, width=7, height=6.5) as figure:
        above, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        above.plot([0, 100], [0, 100], color="grey", linewidth=1, linestyle="--", label="perfect calibration")
        width = 100 / len(next(iter(calibrations.values())).count) / (len(calibrations) + 0.5)
        for number, (name, look) in enumerate(looks(calibrations).items()):
            each, colour = calibrations[name], look.colour
            filled, enough = each.count > 0, each.count >= FEW
            label = f"{name}, expected calibration error {100 * each.error:.1f} %"
            confidence, accuracy = 100 * each.confidence, 100 * each.accuracy
            style = {
                "color": colour,
                "linewidth": 1,
                "marker": look.marker,
                "markersize": 4,
                "zorder": 3,
                "clip_on": False,
                "in_layout": False,  # an unclipped line without points would claim the picture's lower left corner
            }
            above.plot(confidence, np.where(enough, accuracy, np.nan), label=label, **style)
            few = filled & ~enough
            above.plot(confidence[few], accuracy[few], **style | {"linestyle": "none", "markerfacecolor": "white"})
            above.vlines(confidence[filled], *_intervals(each), color=colour, linewidth=2.5, alpha=0.3)
            middle = 100 * (np.arange(len(each.count)) + 0.5) / len(each.count)
            offset = (number - (len(calibrations) - 1) / 2) * width
            below.bar(middle + offset, each.count, width, color=colour)
        above.set_ylabel("accuracy (%)")
        above.set_xlim(0, 100)
        above.set_ylim(0, 100)
        if any(((each.count > 0) & (each.count < FEW)).any() for each in calibrations.values()):
            above.plot([], [], "o", color="grey", markerfacecolor="white", label=f"fewer than {FEW} images")
        figure.legend(loc="outside upper left")
        below.set_axisbelow(True)
        below.set_ylabel("test images")
        below.set_xlabel("confidence: probability of the predicted class (%)")
        figure.align_ylabels()


def _intervals(calibration: Calibration) -> tuple[list[float], list[float]]:
    """Lower and upper ends of the accuracy's interval for every bin that holds images, in per cent."""
    filled = calibration.count > 0
    counts = calibration.count[filled]
    correct = np.rint(calibration.accuracy[filled] * counts).astype(int)
    intervals = [wilson_interval(int(hits), int(n)) for hits, n in zip(correct, counts, strict=True)]
    return [100 * low for low, _ in intervals], [100 * high for _, high in intervals]
