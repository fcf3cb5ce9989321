#!/usr/bin/env bash
# A stack of grey pictures saved as a TIFF has one page per picture, unless there are 3 or 4 of them: then it becomes
# a single colour picture, and with 4 the last one is its transparency. So it happens to the last, short batch.
#
# Versions: tifffile 2026.3.3, imageio 2.38.1, Pillow 13.0.0, NumPy 2.4.6.
# Source: found by writing stacks of 2 to 6 pictures and counting the pages that Pillow sees. `TiffWriter.write` in
# `tifffile/tifffile.py` takes a third axis from the end of 3 or 4 for colour planes if no photometric is named; it
# gives a DeprecationWarning, which Python does not show by default. `imageio/plugins/tifffile_v3.py` makes the same
# choice on purpose, so that not even the warning is given. `photometric="minisblack"` is the remedy.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'tifffile==2026.3.3' 'imageio==2.38.1' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imageio.v3 as iio
import numpy as np
import PIL
import tifffile
from PIL import Image

print("tifffile", tifffile.__version__, "Pillow", PIL.__version__)


def as_pillow_sees_it(path):
    with Image.open(path) as image:
        return image.n_frames, image.mode


seen = {}
for count in (2, 3, 4, 5, 6):
    stack = np.full((count, 8, 8), 100, np.uint8)
    tifffile.imwrite("tifffile.tif", stack)
    iio.imwrite("imageio.tif", stack)
    seen[count] = as_pillow_sees_it("tifffile.tif"), as_pillow_sees_it("imageio.tif")
    print(count, "grey pictures: pages and mode by tifffile", seen[count][0], "by imageio", seen[count][1])
tifffile.imwrite("named.tif", np.full((3, 8, 8), 100, np.uint8), photometric="minisblack")
named = as_pillow_sees_it("named.tif")
print("3 grey pictures with photometric='minisblack':", named)

expected = {2: (2, "L"), 3: (1, "RGB"), 4: (1, "RGBA"), 5: (5, "L"), 6: (6, "L")}
if seen != {count: (found, found) for count, found in expected.items()} or named != (3, "L"):
    sys.exit("The behaviour has changed: stacks of 3 or 4 grey pictures are no longer colour pictures.")
PYTHON
