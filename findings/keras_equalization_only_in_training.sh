#!/usr/bin/env bash
# Keras's Equalization layer equalizes in training only: a network learns from pictures of full contrast and is then
# tested on flat ones. Its documentation says that equalization is applied at inference too; AutoContrast, its
# neighbour, does that. Neither draws anything at random.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by calling every augmentation layer with `training=True` and `training=False`. `transform_images` in
# `keras/src/layers/preprocessing/image_preprocessing/equalization.py` hands the pictures back as they
# are where `training` is false; the one in `auto_contrast.py` does not ask.

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
flat = np.linspace(80, 120, 64 * 64, dtype=np.float32).reshape(1, 64, 64, 1).repeat(3, axis=-1)
print(f"pictures: from {flat.min():.0f} to {flat.max():.0f}")
contrast = {}
for name in ("Equalization", "AutoContrast"):
    layer = getattr(keras.layers, name)()
    answers = [np.asarray(layer(flat, training=training)) for training in (True, False)]
    contrast[name] = [round(float(answer.max() - answer.min())) for answer in answers]
    in_training, at_inference = contrast[name]
    print(f"{name:12} from darkest to brightest: {in_training} levels in training, {at_inference} at inference")

if contrast != {"Equalization": [255, 40], "AutoContrast": [255, 255]}:
    sys.exit("The behaviour has changed: Equalization no longer stops at inference.")
PYTHON
