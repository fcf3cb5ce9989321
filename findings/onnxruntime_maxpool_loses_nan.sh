#!/usr/bin/env bash
# onnxruntime's max pooling loses NaN. Of the four windows of a ResNet's stem pooling (3 x 3, stride 2) that hold one
# NaN, only one gives NaN; global max pooling gives a plain number; and a window of nothing but NaN can give -3.4e38,
# which is finite. Average pooling passes NaN on, as max pooling does in PyTorch.
#
# Versions: onnxruntime 1.32.0 on an x86 CPU, onnx 1.23.2, NumPy 2.4.6.
# Source: found by sending NaN through every operator of a small ResNet. The kernels in
# `onnxruntime/core/mlas/lib/pooling.cpp` (`MLAS_MAXIMUM_POOLING`) start from the lowest float; `std::max` passes a
# NaN over, and the vector instruction beside it takes its second operand where one is NaN, so that the next number
# wipes it out. A network with such a stem gives a ruined picture an ordinary class.

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
from onnx import TensorProto, helper

print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)


def run(operator, values, **attributes):
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values})[0]


picture = np.random.default_rng(0).random((1, 1, 8, 8)).astype(np.float32)
picture[0, 0, 3, 3] = np.nan
stem = run("MaxPool", picture, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
windows = [
    np.isnan(picture[0, 0, max(0, 2 * row - 1) : 2 * row + 2, max(0, 2 * column - 1) : 2 * column + 2]).any()
    for row in range(4)
    for column in range(4)
]
print("windows that hold the NaN:", sum(windows), "- results that are NaN:", np.isnan(stem).sum())
global_max, global_mean = run("GlobalMaxPool", picture).item(), run("GlobalAveragePool", picture).item()
print("global max pooling:", global_max, "- global average pooling:", global_mean)
line = run("MaxPool", np.full((1, 1, 4), np.nan, np.float32), kernel_shape=[2])[0, 0]
print("max pooling of a line of NaN alone:", line.tolist())

lost = sum(windows) == 4 and np.isnan(stem).sum() == 1 and np.isfinite(global_max)
if not (lost and np.isnan(global_mean) and np.finfo(np.float32).min in line):
    sys.exit("The behaviour has changed: onnxruntime's max pooling treats NaN otherwise.")
PYTHON
