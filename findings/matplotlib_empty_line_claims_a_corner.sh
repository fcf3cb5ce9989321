#!/usr/bin/env bash
# In matplotlib an unclipped line without points (an empty class, a bin of no images) claims the picture's lower left
# corner: `get_tightbbox` of its axes reaches down to pixel (0, 0), and a constrained or tight layout makes room for
# what is not there. The upper of two panels shrinks to a strip; nothing is drawn, and nothing is said.
#
# Versions: matplotlib 3.11.2.
# Source: found in a reliability diagram whose panels were two strips, in one study of four. `Line2D.get_window_extent`
# begins with a box at (0, 0), which no point of an empty line moves, and pads it by half a marker; the box is not empty
# then, so `Axes.get_tightbbox` does not drop it as it drops others. Clipped lines are saved by their clip box.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'matplotlib==3.11.2'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

print("matplotlib", matplotlib.__version__)


def heights(points, **style):
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 6), layout="constrained")
    above.plot([0, 1], [0, 1])
    below.bar([0.5], [1])
    above.plot(points, points, "o", **style)
    figure.canvas.draw()
    found = [round(axis.get_position().height, 2) for axis in (above, below)]
    plt.close(figure)
    return found


seen = {
    "one point, unclipped": heights([0.5], clip_on=False),
    "no points, clipped": heights([]),
    "no points, unclipped": heights([], clip_on=False),
    "no points, unclipped, in_layout=False": heights([], clip_on=False, in_layout=False),
}
for what, (above, below) in seen.items():
    print(f"{what:38} heights of the panels: {above:.2f} and {below:.2f} of the picture's")

strips = seen.pop("no points, unclipped")
if not (max(strips) < 0.3 and all(min(each) > 0.4 for each in seen.values())):
    sys.exit("The behaviour has changed: matplotlib may pass over lines without points.")
PYTHON
