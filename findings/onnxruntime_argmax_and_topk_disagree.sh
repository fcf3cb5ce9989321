#!/usr/bin/env bash
# On a row with NaN, onnxruntime's ArgMax and TopK name different classes, and ArgMax's answer depends on where the
# NaN stands: first, it wins; later, it is passed over. TopK always puts it first, as NumPy's argmax does.
#
# Versions: onnxruntime 1.32.0 on a CPU, onnx 1.23.2, NumPy 2.4.6.
# Source: found by sending rows with NaN through the operators that turn logits into classes. onnxruntime reduces
# through Eigen, whose argmax begins with the first number and keeps it until a greater one comes, and no comparison
# with NaN is true (`ReduceAggregatorArgMax` in `onnxruntime/core/providers/cpu/reduction/reduction_ops.h`). Top-1
# accuracy by ArgMax and by TopK with k = 1 so differ for a network that has diverged.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'onnxruntime==1.32.0' 'onnx==1.23.2' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)
graph = helper.make_graph(
    [
        helper.make_node("ArgMax", ["logits"], ["argmax"], axis=1, keepdims=0),
        helper.make_node("TopK", ["logits", "k"], ["largest", "top"], axis=1),
    ],
    "graph",
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 3])],
    [helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in ("argmax", "top")],
    [numpy_helper.from_array(np.array([1], np.int64), "k")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
logits = np.array([[np.nan, 0.2, 0.9], [0.1, np.nan, 0.9], [0.9, 0.2, np.nan]], np.float32)
argmax, top = session.run(None, {"logits": logits})
for row, by_argmax, by_top in zip(logits, argmax, top[:, 0], strict=True):
    print(row.tolist(), "ArgMax", by_argmax, "TopK", by_top, "NumPy", row.argmax())

if argmax.tolist() != [0, 2, 0] or top[:, 0].tolist() != [0, 1, 2]:
    sys.exit("The behaviour has changed: ArgMax and TopK answer otherwise on NaN.")
PYTHON
