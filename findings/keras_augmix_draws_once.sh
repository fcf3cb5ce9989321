#!/usr/bin/env bash
# Keras's AugMix draws its operations once in a tf.data pipeline, when the pipeline is built: all pictures of all epochs
# get the same chains. Called on one picture after the other it draws anew each time. Its `seed` does not decide which.
#
# Versions: Keras 3.15.1 on TensorFlow 2.21.0, NumPy 2.4.6.
# Source: found by building every augmentation layer twice with one seed; AugMix alone gave two results.
# `get_random_transformation` in `keras/src/layers/preprocessing/image_preprocessing/aug_mix.py` chooses the operations
# with Python's `random`, which TensorFlow runs only while it traces a function. How far each operation goes is drawn
# by Keras and does change from picture to picture, so the pictures do not look alike at once. The documentation
# promises the same operations within a batch, no further, and calls the layer safe in a tf.data pipeline. RandAugment,
# which draws with Keras's own generator, is.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'tensorflow==2.21.0' 'numpy==2.4.6'
cd "$folder"

cat > draws_once.py <<'PYTHON'
import random
import sys

import keras
import numpy as np
import tensorflow as tf

print("Keras", keras.__version__, "TensorFlow", tf.__version__)
GREY = np.full((16, 16, 3), 100, np.float32)  # moved, turned or equalized it stays as it is; posterized it does not


def augmix(seed):
    return keras.layers.AugMix(num_chains=1, chain_depth=1, all_ops=False, seed=seed)


def unchanged(pictures):
    return float(np.mean([np.allclose(picture, GREY, atol=0.01) for picture in pictures]))


random.seed(0)
pictures = tf.data.Dataset.from_tensors(GREY).repeat(100)
piped = []
for seed in range(10):
    layer = augmix(seed)
    augmented = pictures.map(lambda picture: layer(picture, training=True))
    piped.append(unchanged(augmented.as_numpy_iterator()))
layer = augmix(0)
called = unchanged(np.asarray(layer(GREY, training=True)) for _ in range(100))
print("one operation for each of 100 grey pictures; share that it leaves as they are:")
print("  ten pipelines:       ", piped)
print("  called 100 times:    ", called)

one_seed = []
for _ in range(10):
    one_seed.append(np.asarray(augmix(seed=1)(GREY, training=True)).mean().round(2).item())
print("mean of the picture from ten layers with one seed:", one_seed)

once = all(share < 0.1 or share > 0.9 for share in piped) and max(piped) - min(piped) > 0.8 and 0.5 < called < 0.95
if not (once and len(set(one_seed)) > 1):
    sys.exit("The behaviour has changed: AugMix no longer draws its operations once for a pipeline.")
PYTHON
CUDA_VISIBLE_DEVICES=-1 TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" draws_once.py
