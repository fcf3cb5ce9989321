#!/usr/bin/env bash
# imgaug darkens every 8-bit picture whose brightness or contrast it changes, since it cuts fractions off:
# `Multiply(0.999)` takes a whole level of 255 from every pixel, and a change of brightness, contrast and gamma each
# followed by its own inverse leaves the picture 2.8 levels darker.
#
# Versions: imgaug 0.4.0, NumPy 1.23.5 (the last on which all of imgaug runs).
# Source: found by applying each augmenter with a parameter next to the one that changes nothing.
# `_multiply_scalar_to_uint8` in `imgaug/augmenters/arithmetic.py`, `adjust_contrast_linear` and its like in
# `contrast.py` build a table of 256 numbers and end in `np.clip(...).astype(uint8)`, which cuts. `Add` rounds. The
# training pictures become a little darker than the ones the network is tested on.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    --no-deps 'imgaug==0.4.0' 'numpy==1.23.5' 'scipy==1.12.0' 'scikit-image==0.22.0' \
    'opencv-python-headless==4.10.0.84' 'shapely==2.0.7' 'imageio==2.38.1' 'pillow==13.0.0' 'networkx==3.6.1' \
    'packaging==26.4' 'lazy-loader==0.6' 'tifffile==2026.3.3' 'six==1.17.0'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imgaug
import imgaug.augmenters as iaa
import numpy as np

print("imgaug", imgaug.__version__, "NumPy", np.__version__)
levels = np.arange(20, 230, dtype=np.uint8).reshape(14, 15, 1)
there_and_back = iaa.Sequential(
    [
        *(iaa.Multiply(1.1), iaa.Multiply(1 / 1.1)),
        *(iaa.LinearContrast(1.1), iaa.LinearContrast(1 / 1.1)),
        *(iaa.GammaContrast(1.1), iaa.GammaContrast(1 / 1.1)),
    ]
)
shifts = {}
for name, augmenter in {
    "Multiply(0.999)": iaa.Multiply(0.999),
    "MultiplyElementwise(0.999)": iaa.MultiplyElementwise(0.999),
    "GammaContrast(1.001)": iaa.GammaContrast(1.001),
    "LinearContrast(0.999)": iaa.LinearContrast(0.999),
    "Add(-0.001)": iaa.Add((-0.001, -0.001)),
    "three changes, each taken back": there_and_back,
}.items():
    shifts[name] = float((augmenter(image=levels).astype(float) - levels).mean())
    print(f"{name:31} mean change {shifts[name]:+.2f} levels")

cut = all(shifts[name] == -1 for name in ("Multiply(0.999)", "MultiplyElementwise(0.999)", "GammaContrast(1.001)"))
if not (cut and shifts["Add(-0.001)"] == 0 and shifts["three changes, each taken back"] < -2):
    sys.exit("The behaviour has changed: imgaug may round.")
PYTHON
