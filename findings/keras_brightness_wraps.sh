#!/usr/bin/env bash
# Keras's RandomBrightness, called on bytes, counts round past white: those above 128, made brighter by half the range,
# come out dark (255 becomes 126). The same pictures as float32 stop at 255. The layer says nothing and returns bytes.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by giving every augmentation layer the same pictures as bytes and as floats. `transform_images` in
# `keras/src/layers/preprocessing/image_preprocessing/random_brightness.py` casts the change to the type of the images
# and adds it there, so that the sum is taken modulo 256 before it is cut to the range; the other layers that change
# colours compute in float32, or refuse bytes. It shows where the layer is called by itself, as on the bytes of
# `keras.datasets`; a tf.data pipeline, or a model with an ordinary `Input`, makes them float32 first.

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
values = np.array([0, 50, 100, 128, 129, 200, 255], np.uint8)
pictures = np.broadcast_to(values[None, None, :, None], (1, 7, 7, 3))
brighter = keras.layers.RandomBrightness((0.5, 0.5))  # always by half the range of 0 to 255
print("pictures:                ", values.tolist())
found = {}
for name in ("float32", "uint8"):
    answer = np.asarray(brighter(pictures.astype(name), training=True))
    found[name] = answer[0, 0, :, 0].tolist()
    print(f"brighter by half, {name:7}", found[name], answer.dtype)

stops = found["float32"] == [127.5, 177.5, 227.5, 255, 255, 255, 255]
if not (stops and found["uint8"] == [127, 177, 227, 255, 0, 71, 126]):
    sys.exit("The behaviour has changed: RandomBrightness no longer wraps bytes round.")
PYTHON
