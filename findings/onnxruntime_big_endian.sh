#!/usr/bin/env bash
# onnxruntime takes an array whose bytes are in big-endian order for one in the machine's own order: 1.0 arrives as
# 4.6e-41, with no error. An array of the wrong type is refused, an array of the wrong layout is put right.
#
# Versions: onnxruntime 1.32.0, onnx 1.23.2, NumPy 2.4.6.
# Source: found by feeding a model arrays of every type and layout. `CreateTensor` in
# `onnxruntime/python/onnxruntime_pybind_mlvalue.cc` makes the array contiguous and goes by NumPy's type number, which
# is the same for both orders. Such arrays come from FITS files, from `np.frombuffer` with ">f4" and from some HDF5
# files; NumPy's own arithmetic treats them rightly, so nothing shows before the model.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'onnxruntime==1.32.0' 'onnx==1.23.2' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

print("onnxruntime", onnxruntime.__version__, "NumPy", np.__version__)
graph = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["y"])],
    "graph",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
native, big_endian = np.arange(3, dtype="<f4"), np.arange(3, dtype=">f4")
strided = np.arange(6, dtype="<f4")[::2]
from_native, from_big_endian, from_strided = (
    session.run(None, {"x": array})[0].tolist() for array in (native, big_endian, strided)
)
print("equal to NumPy:", np.array_equal(native, big_endian))
print("from little-endian:", from_native)
print("from big-endian:   ", from_big_endian)
print("from", strided.tolist(), "with gaps in memory:", from_strided)

if from_native != [0, 1, 2] or from_strided != [0, 2, 4] or from_big_endian != native.view(">f4").tolist():
    sys.exit("The behaviour has changed: onnxruntime no longer reads big-endian arrays as they lie.")
PYTHON
