#!/usr/bin/env bash
# Keras's RandomGaussianBlur and RandomSharpness leave a frame around the picture: a grey picture of 100 has 49 in its
# corners after a blur of 5x5 with sigma 1, and 138 once it is sharpened. On 32x32 the frame of the blur is 23 % of all
# pixels.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by giving every augmentation layer a picture of one colour. Both convolve with "same" padding, that is
# with black around the picture: `gaussian_blur` in `keras/src/backend/jax/image.py` (and those of the other backends)
# and `transform_images` in `keras/src/layers/preprocessing/image_preprocessing/random_sharpness.py`.
# Blurring and sharpening in Pillow and torchvision leave a picture of one colour as it is.

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
grey = np.full((1, 32, 32, 3), 100, np.float32)
layers = {
    "RandomGaussianBlur, 5x5, sigma 1": keras.layers.RandomGaussianBlur((1.0, 1.0), kernel_size=5, sigma=(1.0, 1.0)),
    "RandomSharpness, softened": keras.layers.RandomSharpness((0.0, 0.0)),
    "RandomSharpness, sharpened": keras.layers.RandomSharpness((1.0, 1.0)),
}
found = {}
for name, layer in layers.items():
    answer = np.asarray(layer(grey, training=True))[0, ..., 0]
    corner, edge, middle = (round(float(answer[place])) for place in ((0, 0), (0, 16), (16, 16)))
    changed = float(np.mean(np.abs(answer - 100) > 0.5))
    found[name] = corner, edge, middle
    print(f"{name:33} corner {corner:3}, edge {edge:3}, middle {middle}; {changed:.0%} of the pixels changed")

if list(found.values()) != [(49, 70, 100), (62, 77, 100), (138, 123, 100)]:
    sys.exit("The behaviour has changed: blur and sharpness no longer leave a frame.")
PYTHON
