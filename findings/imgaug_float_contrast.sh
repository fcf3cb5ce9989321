#!/usr/bin/env bash
# imgaug's `LinearContrast` changes the brightness of pictures stored as floats, not their contrast: it pulls the
# values from 0 instead of from middle grey, so that 0.2, 0.5 and 0.8 become 0.3, 0.75 and 1.2. The same pictures as
# bytes keep their middle. `Invert` makes -0.2 of 0.2. `SigmoidContrast` does keep to 0 and 1.
#
# Versions: imgaug 0.4.0, NumPy 1.23.5 (the last on which all of imgaug runs).
# Source: found by giving each augmenter of contrast the same picture in both types. `get_value_range_of_dtype` in
# `imgaug/dtypes.py` says that the middle of a float type is 0, between its greatest negative and positive numbers;
# `adjust_contrast_linear` in `imgaug/augmenters/contrast.py` takes that for middle grey.

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
as_float = np.array([[[0.2], [0.5], [0.8]]], np.float32)
as_bytes = np.array([[[51], [127], [204]]], np.uint8)
seen = {}
for augmenter in (iaa.LinearContrast(1.5), iaa.Invert(1.0), iaa.SigmoidContrast(gain=10, cutoff=0.5)):
    name = type(augmenter).__name__
    seen[name] = augmenter(image=as_float).ravel(), augmenter(image=as_bytes).ravel() / 255
    print(f"{name:15} floats {seen[name][0].round(2).tolist()}, bytes / 255 {seen[name][1].round(2).tolist()}")

from_zero = np.allclose(seen["LinearContrast"][0], as_float.ravel() * 1.5)
middle_kept = abs(seen["LinearContrast"][1][1] - 0.5) < 0.01
negative = np.allclose(seen["Invert"][0], -as_float.ravel())
if not (from_zero and middle_kept and negative):
    sys.exit("The behaviour has changed: imgaug may know the middle of float pictures.")
PYTHON
