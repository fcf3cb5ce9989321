#!/usr/bin/env bash
# Keras's RandomSaturation makes negative pixels from pictures of 0 to 255, its default range: at a factor of 0.8 an
# orange of (255, 153, 102) becomes (255, -153, -357). With pictures of 0 to 1 and `value_range=(0, 1)` every pixel
# stays in its range.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by comparing every augmentation layer on pictures in both ranges. Saturation lies between 0 and 1 in
# HSV, whatever the range of the pictures, but `transform_images` in
# `keras/src/layers/preprocessing/image_preprocessing/random_saturation.py` cuts it at the upper end of `value_range`,
# so that it may exceed 1 by far. Factors of up to 0.5, which only take colour away, are right. RandomColorJitter uses
# the layer, with the same default.

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
orange, sky = (255, 153, 102), (153, 204, 255)  # saturations of 0.6 and 0.4
pictures = np.float32([[[orange, sky]]])
lowest = {}
for factor in (0.5, 0.6, 0.7, 0.8):
    by_255 = np.asarray(keras.layers.RandomSaturation((factor, factor))(pictures, training=True))
    by_1 = keras.layers.RandomSaturation((factor, factor), value_range=(0, 1))(pictures / 255, training=True)
    by_1 = np.asarray(by_1) * 255
    lowest[factor] = float(by_255.min()), float(by_1.min())
    print(f"factor {factor}: orange {by_255[0, 0, 0].round()}, from 0 to 1: {by_1[0, 0, 0].round()}")

negative = lowest[0.8][0] < -300 and lowest[0.7][0] < -80
if not (negative and lowest[0.5][0] > 100 and min(low for _, low in lowest.values()) > -0.01):
    sys.exit("The behaviour has changed: RandomSaturation no longer leaves the range of 0 to 255.")
PYTHON
