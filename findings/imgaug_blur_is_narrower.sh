#!/usr/bin/env bash
# imgaug's `GaussianBlur(sigma=5)` blurs by a standard deviation of 3.3, `sigma=3` by 2.2; only small ones are what
# they say. A paper's blur, built again in another library with the same sigma, is half as strong again.
#
# Versions: imgaug 0.4.0, OpenCV 4.10.0, NumPy 1.23.5 (the last on which all of imgaug runs).
# Source: found by blurring a single bright pixel and measuring what it became. `_compute_gaussian_blur_ksize` in
# `imgaug/augmenters/blur.py` gives OpenCV a kernel 3.3, 2.9 or 2.6 sigma wide in all, its comments saying that this
# holds 99, 97 or 95 % of the weight. It would, on either side of the middle; as the whole width it is 1.3 to 1.65
# sigma each way and cuts the bell's flanks off.

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
dot = np.zeros((101, 101, 1), np.float32)
dot[50, 50] = 1
distance = np.arange(101) - 50
measured = {}
for sigma in (0.5, 1, 2, 3, 5, 8):
    profile = iaa.GaussianBlur(sigma=sigma)(image=dot).astype(float).sum(axis=(0, 2))
    measured[sigma] = float(np.sqrt((profile * distance**2).sum() / profile.sum()))
    print(f"sigma asked {sigma:3}, measured {measured[sigma]:.2f}, kernel {np.count_nonzero(profile)} pixels wide")

if not (measured[1] > 0.95 and measured[3] < 0.75 * 3 and measured[5] < 0.7 * 5):
    sys.exit("The behaviour has changed: imgaug's large blurs may be as wide as asked.")
PYTHON
