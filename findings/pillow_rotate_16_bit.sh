#!/usr/bin/env bash
# Pillow turns a 16-bit grey picture into noise: rotating a smooth ramp of 1,000 to 2,240 by 7 degrees with
# `Resampling.BILINEAR` gives neighbours such as 219, 3, 15 and 5. `resize` with the same filter is right, and so are
# `NEAREST` and the same pixels as floats.
#
# Versions: Pillow 13.0.0, NumPy 2.4.6.
# Source: found by comparing every geometric operation on mode "I;16" with the same on mode "F". `rotate` and
# `transform` end in `src/libImaging/Geometry.c`, where `getfilter` tells 16 bits from 8 for NEAREST only: BILINEAR
# and BICUBIC fall to the filters for 8 bits, which take the first half of a row's bytes for its pixels and write one
# byte of two. Who rotates 16-bit data as an augmentation has to convert it to mode "F" first.

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
from PIL.Image import Resampling

print("Pillow", PIL.__version__)
ramp = (1000 + 40 * np.mgrid[0:32, 0:32][1]).astype(np.uint16)
as_uint16, as_float = Image.fromarray(ramp), Image.fromarray(ramp.astype(np.float32))
errors = {}
for name, turn in {
    "resize BILINEAR": lambda image: image.resize((20, 20), Resampling.BILINEAR),
    "rotate NEAREST": lambda image: image.rotate(7, Resampling.NEAREST),
    "rotate BILINEAR": lambda image: image.rotate(7, Resampling.BILINEAR),
    "rotate BICUBIC": lambda image: image.rotate(7, Resampling.BICUBIC),
}.items():
    found, right = np.array(turn(as_uint16)), np.array(turn(as_float))
    errors[name] = np.abs(found - right).max()
    row = found.shape[0] // 2
    print(f"{name:16}", as_uint16.mode, found[row, :8].tolist(), "error up to", round(errors[name]))

intact = errors["resize BILINEAR"] < 1 and errors["rotate NEAREST"] <= 40  # one pixel of the ramp
ruined = errors["rotate BILINEAR"] > 1000 and errors["rotate BICUBIC"] > 1000
if not (intact and ruined):
    sys.exit("The behaviour has changed: Pillow may rotate 16-bit pictures rightly.")
PYTHON
