#!/usr/bin/env bash
# A safetensors file of a transposed NumPy array holds other numbers than the array, and nothing says so. The shape is
# right, the type is right, the values sit in the wrong places.
#
# Versions: safetensors 0.8.0, NumPy 2.4.6.
# Source: found by saving arrays of every memory layout and loading them again. `_flatten` in `safetensors/numpy.py`
# hands the shape of the array and the address of its first byte to the Rust writer, which copies memory in a row: the
# strides are never looked at. The docstring asks for contiguous arrays; the functions for PyTorch refuse others with
# an error, these do not. A weight matrix turned from Keras's order (in, out) to PyTorch's (out, in) with `.T` is such
# an array. `numpy.ascontiguousarray` before saving is the remedy.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'safetensors==0.8.0' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__, "NumPy", np.__version__)
kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
weight = kernel.T
loaded = load(save({"weight": weight}))["weight"]
print("saved: ", weight.tolist())
print("loaded:", loaded.tolist())
contiguous = load(save({"weight": np.ascontiguousarray(weight)}))["weight"]
print("loaded after ascontiguousarray:", contiguous.tolist())

misplaced = loaded.shape == weight.shape and loaded.tolist() == [[0, 1], [2, 3], [4, 5]]
if not (misplaced and np.array_equal(contiguous, weight)):
    sys.exit("The behaviour has changed: a transposed array is no longer misplaced in silence.")
PYTHON
