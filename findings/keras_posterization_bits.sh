#!/usr/bin/env bash
# Keras's RandomPosterization(factor=8), "the number of bits to keep for each channel", keeps 1 to 7 bits, drawn anew
# for each picture, and never 8: on average it takes half of the bits away. The tuple (8, 8) keeps all.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 behaved alike.
# Source: found by asking each augmentation layer for the setting at which it should change nothing. The base class
# turns one number into the range from the least to it, and `get_random_transformation` in
# `keras/src/layers/preprocessing/image_preprocessing/random_posterization.py` draws from that range without its end.
# So 5 means 1 to 4 bits, (4, 6) means 4 or 5, and 1 and 2 both mean 1.

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
every_value = np.arange(256, dtype=np.float32).reshape(16, 16, 1)
pictures = np.broadcast_to(every_value, (500, 16, 16, 3))
kept = {}
for factor in (1, 2, 5, 8, (4, 6), (8, 8)):
    answer = np.asarray(keras.layers.RandomPosterization(factor, seed=0)(pictures, training=True))
    bits = [int(np.log2(len(np.unique(picture)))) for picture in answer]
    kept[factor] = sorted(set(bits))
    print(f"factor={factor!s:6} keeps {kept[factor]} bits, {np.mean(bits):.1f} on average")

expected = {1: [1], 2: [1], 5: [1, 2, 3, 4], 8: [1, 2, 3, 4, 5, 6, 7], (4, 6): [4, 5], (8, 8): [8]}
if kept != expected:
    sys.exit("The behaviour has changed: RandomPosterization no longer draws fewer bits than it was given.")
PYTHON
