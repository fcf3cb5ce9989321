#!/usr/bin/env bash
# Keras's Equalization layer does nothing in a Sequential or functional model, neither in training nor at inference,
# although the model lists it. Called by itself it equalizes in training only, while its documentation says that it is
# applied at inference too. AutoContrast, a similar layer, works in all four cases.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by calling every augmentation layer with `training=True` and `training=False`, and then in a model.
# `compute_output_spec` in `keras/src/layers/preprocessing/image_preprocessing/equalization.py` returns the symbolic
# input itself, so the model's graph leads from the input straight to the layer after it. (As the last layer it is
# refused: the tensor "is part of a cycle".) `transform_images` returns the pictures as they are unless `training` is
# true.

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
print(f"pictures: from {flat.min():.0f} to {flat.max():.0f}; the brightest pixel after the layer:")
brightest = {}
for name in ("Equalization", "AutoContrast"):
    layer = getattr(keras.layers, name)()
    model = keras.Sequential([keras.Input((64, 64, 3)), layer, keras.layers.GlobalMaxPooling2D()])
    assert layer in model.layers
    for where, network in {"by itself": layer, "in a model": model}.items():
        answers = [float(np.asarray(network(flat, training=training)).max()) for training in (True, False)]
        brightest[name, where] = [round(answer) for answer in answers]
        print(f"  {name}, {where}: {brightest[name, where][0]} in training, {brightest[name, where][1]} at inference")

if list(brightest.values()) != [[255, 120], [120, 120], [255, 255], [255, 255]]:
    sys.exit("The behaviour has changed: Equalization equalizes at inference, or in a model.")
PYTHON
