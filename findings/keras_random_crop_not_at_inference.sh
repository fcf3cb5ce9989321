#!/usr/bin/env bash
# Keras's RandomCrop hands pictures back uncropped at inference, though its documentation promises them resized and
# cropped to the target, and its own output shape says so. It crops their masks, to the top left corner. A network that
# ends in global pooling takes the larger pictures without a word: it is tested on whole pictures, not on the declared
# size.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), NumPy 2.4.6; 3.15.0 on TensorFlow 2.21.0 gave the same.
# Source: found by calling every augmentation layer with `training=True` and `training=False`. In
# `keras/src/layers/preprocessing/image_preprocessing/random_crop.py`, `get_random_transformation` works out the window
# for inference, but `transform_images` returns the pictures before it would use it; `transform_segmentation_masks`
# calls it without handing `training` on. A network with a dense layer on the pixels does fail. CenterCrop crops always.

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
pictures = np.zeros((1, 64, 64, 3), np.float32)
crop = keras.layers.RandomCrop(32, 32)
shapes = {training: np.asarray(crop(pictures, training=training)).shape for training in (True, False)}
print("RandomCrop(32, 32) on 64x64: in training", shapes[True], "at inference", shapes[False])
mask = np.zeros((1, 64, 64, 1), np.float32)
mask[:, :32, :32] = 1  # the top left corner
answer = crop({"images": pictures, "segmentation_masks": mask}, training=False)
picture, mask = (np.asarray(answer[name]) for name in ("images", "segmentation_masks"))
print("at inference, with a mask: picture", picture.shape, "mask", mask.shape)
network = keras.Sequential([
    keras.Input((64, 64, 3)),
    keras.layers.RandomCrop(32, 32),
    keras.layers.Conv2D(4, 3),
    keras.layers.GlobalAveragePooling2D(),
])
declared = network.layers[0].output.shape
predicted = network.predict(pictures, verbose=0).shape
print("declared output of the layer in a network:", declared, "predict ends with", predicted)

uncropped = shapes == {True: (1, 32, 32, 3), False: (1, 64, 64, 3)}
corner = picture.shape == (1, 64, 64, 3) and mask.shape == (1, 32, 32, 1) and mask.all()
if not (uncropped and corner and declared == (None, 32, 32, 3) and predicted == (1, 4)):
    sys.exit("The behaviour has changed: RandomCrop crops at inference.")
PYTHON
