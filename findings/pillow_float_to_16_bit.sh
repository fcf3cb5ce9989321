#!/usr/bin/env bash
# Pillow cuts a float picture at 255 when it is converted to 16 bits: 256.0, 1000.0 and 65535.0 all become 255, in the
# one mode whose reason is to hold more. Through mode "I" (32-bit integers) on the way, every value arrives.
#
# Versions: Pillow 13.0.0, NumPy 2.4.6.
# Source: found by converting the same numbers between all modes of one channel. `src/libImaging/Convert.c` has no
# converter from "F" to "I;16"; the method `convert` in `src/PIL/Image.py` then retries by way of the image's base
# mode, which is "L", 8 bits, and says nothing. The round trip of a heat map or a depth map through `convert("F")` and
# back loses its range so.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pillow==13.0.0' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
values = np.array([[1, 255, 256, 1000, 65535]], np.uint16)
floats = Image.fromarray(values).convert("F")
print("mode F:                ", np.array(floats)[0].tolist())
direct = np.array(floats.convert("I;16"))
print("F to I;16:             ", direct[0].tolist(), direct.dtype)
detour = np.array(floats.convert("I").convert("I;16"))
print("F to I, then to I;16:  ", detour[0].tolist(), detour.dtype)

cut = direct.dtype == np.uint16 and direct[0].tolist() == [1, 255, 255, 255, 255]
if not (cut and np.array_equal(detour, values)):
    sys.exit("The behaviour has changed: a float picture is no longer cut at 255 on its way to 16 bits.")
PYTHON
