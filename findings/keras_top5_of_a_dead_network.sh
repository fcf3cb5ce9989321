#!/usr/bin/env bash
# A network that answers the same for every class, as one does whose weights have died, has a top-5 accuracy of 100 %
# in Keras, whatever the number of classes. scikit-learn gives it 5 %, the share of five classes in 100.
#
# Versions: Keras 3.15.1 on its JAX backend (jax 0.10.2), scikit-learn 1.9.1, NumPy 2.4.6.
# Source: found by giving constant predictions to metrics that should agree. `in_top_k` in
# `keras/src/backend/jax/math.py` (those of NumPy and PyTorch do alike) counts a class that ties with the k-th best as
# among the best k, however many tie. scikit-learn's `top_k_accuracy_score` sorts and takes the last k classes of a
# tie. Neither warns. A network whose logits have all become equal, or are rounded to few bits, looks better in Keras
# than it is.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    'keras==3.15.1' 'jax==0.10.2' 'scipy==1.17.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np
import sklearn
from sklearn.metrics import top_k_accuracy_score

print("Keras", keras.__version__, "scikit-learn", sklearn.__version__)
labels = np.repeat(np.arange(100), 10)
constant = np.full((labels.size, 100), 0.01, np.float32)
random = np.random.default_rng(0).random(constant.shape).astype(np.float32)
found = {}
for name, predictions in {"constant": constant, "random": random}.items():
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=5)
    metric.update_state(labels, predictions)
    found[name] = float(metric.result()), top_k_accuracy_score(labels, predictions, k=5)
    by_keras, by_sklearn = (f"{accuracy:.1%}" for accuracy in found[name])
    print(f"{name:8} predictions for 100 classes: top-5 by Keras {by_keras}, by scikit-learn {by_sklearn}")

agree = abs(found["random"][0] - found["random"][1]) < 1e-6
if not (agree and found["constant"][0] == 1 and abs(found["constant"][1] - 0.05) < 1e-6):
    sys.exit("The behaviour has changed: Keras no longer counts every tie as right.")
PYTHON
