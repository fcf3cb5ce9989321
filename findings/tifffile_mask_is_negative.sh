#!/usr/bin/env bash
# A boolean mask written by tifffile is its own negative in Pillow and OpenCV, while tifffile gives it back as it was.
# And with `photometric="miniswhite"`, Pillow inverts a picture of 8 bits but not the same one of 16 bits.
#
# Versions: tifffile 2026.3.3, Pillow 13.0.0, opencv-python-headless 5.0.0.93, NumPy 2.4.6.
# Source: found by writing arrays of each type with tifffile and reading them with Pillow. `TiffWriter.write` in
# `tifffile/tifffile.py` gives one-bit data the tag "white is zero" (`photometric = MINISWHITE`), as fax machines did,
# but stores the bits unchanged, and its reader ignores that tag. Pillow and OpenCV obey the tag; Pillow's table of
# modes, `OPEN_INFO` in `src/PIL/TiffImagePlugin.py`, has an inverted raw mode for 1 and 8 bits and none for 16.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    'tifffile==2026.3.3' 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("tifffile", tifffile.__version__, "Pillow", PIL.__version__, "OpenCV", cv2.__version__)
mask = np.zeros((8, 8), bool)
mask[2:4, 2:4] = True
tifffile.imwrite("mask.tif", mask)
with Image.open("mask.tif") as image:
    by_pillow = np.array(image)
by_opencv = cv2.imread("mask.tif", cv2.IMREAD_UNCHANGED) > 0
by_tifffile = tifffile.imread("mask.tif")
for name, found in {"written": mask, "tifffile": by_tifffile, "Pillow": by_pillow, "OpenCV": by_opencv}.items():
    print(f"pixels set, {name}: {found.sum()}")

seen = {}
for dtype in (np.uint8, np.uint16):
    tifffile.imwrite("grey.tif", np.full((8, 8), 10, dtype), photometric="miniswhite")
    with Image.open("grey.tif") as image:
        seen[dtype] = int(np.array(image)[0, 0])
    print(dtype.__name__, "10, white is zero: tifffile", tifffile.imread("grey.tif")[0, 0], "Pillow", seen[dtype])

negative = np.array_equal(by_pillow, ~mask) and np.array_equal(by_opencv, ~mask)
if not (negative and np.array_equal(by_tifffile, mask) and seen == {np.uint8: 245, np.uint16: 10}):
    sys.exit("The behaviour has changed: tifffile's masks are no longer negatives elsewhere.")
PYTHON
