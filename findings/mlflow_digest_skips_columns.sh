#!/usr/bin/env bash
# MLflow gives two data frames with wholly different pictures one and the same digest: columns of lists, arrays,
# bytes, booleans and dates do not count. Changing a number or a string does change it.
#
# Versions: MLflow 3.17.2 (mlflow-skinny), pandas 3.1.1.
# Source: found by changing one cell in a column of each type. `compute_pandas_digest` in
# `mlflow/data/digest_utils.py` keeps string and number columns and drops the others before it hashes;
# `select_dtypes(np.number)` leaves booleans out. A table read from Parquet with an image column and a boolean label
# can be replaced by another without the run showing it.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow-skinny==3.17.2' 'pandas==3.1.1' 'SQLAlchemy==2.1.9' 'alembic==1.20.1'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "1"
import mlflow
import mlflow.data
import numpy as np
import pandas as pd

print("MLflow", mlflow.__version__, "pandas", pd.__version__)
columns = {
    "number": ([1, 2], [1, 3]),
    "string": (["seal", "otter"], ["seal", "whale"]),
    "boolean": ([True, False], [True, True]),
    "date": (pd.to_datetime(["2024-01-01", "2024-01-02"]), pd.to_datetime(["2024-01-01", "2025-01-02"])),
    "bytes": ([b"picture 1", b"picture 2"], [b"picture 1", b"picture 9"]),
    "list": ([[1, 2], [3, 4]], [[1, 2], [9, 9]]),
    "array": ([np.zeros(3), np.zeros(3)], [np.zeros(3), np.ones(3)]),
}
unseen = []
for kind, (before, after) in columns.items():
    digests = [mlflow.data.from_pandas(pd.DataFrame({"id": [1, 2], kind: values})).digest for values in (before, after)]
    print(f"{kind:8} changed: digest {digests[0]} -> {digests[1]}")
    if digests[0] == digests[1]:
        unseen.append(kind)

if unseen != ["boolean", "date", "bytes", "list", "array"]:
    sys.exit(f"The behaviour has changed: the digest now passes over {unseen}.")
PYTHON
