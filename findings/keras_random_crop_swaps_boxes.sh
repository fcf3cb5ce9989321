#!/usr/bin/env bash
# Keras's RandomCrop shifts bounding boxes left by what it cut off above, and up by what it cut off at the left. An
# object and its box come apart unless it happens to cut off as much above as at the left.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 behaved alike.
# Source: found by drawing a square, giving its box to every augmentation layer and looking where the square went.
# `transform_bounding_boxes` in `keras/src/layers/preprocessing/image_preprocessing/random_crop.py` subtracts the
# vertical start of the window from left and right, and the horizontal one from top and bottom. Flips, rotations,
# shears, translations, zooms and CenterCrop kept both together (on square pictures, with boxes as xyxy).

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'jax==0.10.2' 'scipy==1.17.1' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

print("Keras", keras.__version__, "on", keras.backend.backend())
SIZE, CROP = 64, 48


def extent(picture):
    """Left, top, right, bottom of what is bright."""
    rows, columns = np.nonzero(picture > 100)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


square = np.zeros((1, SIZE, SIZE, 3), np.float32)
square[:, 26:38, 26:38] = 200
swapped, apart = True, False
for seed in range(5):
    layer = keras.layers.RandomCrop(CROP, CROP, seed=seed, bounding_box_format="xyxy")
    boxes = {"boxes": np.float32([[[26, 26, 38, 38]]]), "labels": np.ones((1, 1), np.float32)}
    answer = layer({"images": square, "bounding_boxes": boxes}, training=True)
    seen = extent(np.asarray(answer["images"])[0, ..., 0])
    box = np.asarray(answer["bounding_boxes"]["boxes"])[0, 0].astype(int).tolist()
    print(f"square at {seen}, its box {box}")
    swapped &= box == [seen[1], seen[0], seen[3], seen[2]]
    apart |= box != seen

if not (swapped and apart):
    sys.exit("The behaviour has changed: RandomCrop no longer swaps the axes of boxes.")
PYTHON
