#!/usr/bin/env bash
# Each further row of an MLflow table rewrites the rows before it: the picture "007" becomes 7 and 0.1 + 0.2 becomes
# 0.3, inside the stored artifact. A value under 0.00000000005 is 0 from the first row on, a loss of infinity becomes
# null.
#
# Versions: MLflow 3.17.2 (mlflow-skinny), pandas 3.1.1.
# Source: found by logging file names row by row and opening the artifact. `MlflowClient.log_table` in
# `mlflow/tracking/client.py` appends by `pandas.read_json`, `concat` and `DataFrame.to_json`: the first guesses types
# anew (a column of "007" is numbers to it), the last keeps ten decimals (`double_precision=10`) and has no infinity.
# The last row alone is still what was logged, so one column holds the number 7 and the string "008".

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow-skinny==3.17.2' 'pandas==3.1.1' 'SQLAlchemy==2.1.9' 'alembic==1.20.1'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import json
import logging
import os
import sys
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "1"
import mlflow
import pandas as pd

logging.getLogger("mlflow").setLevel(logging.ERROR)
print("MLflow", mlflow.__version__, "pandas", pd.__version__)
mlflow.set_tracking_uri("sqlite:///mlflow.db")


def logged(run_id):
    path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="rows.json")
    return json.loads(Path(path).read_text())["data"]


with mlflow.start_run() as run:
    row = {"picture": ["007"], "share": [0.1 + 0.2], "rate": [1e-11], "loss": [float("inf")]}
    mlflow.log_table(row, "rows.json")
    after_one = logged(run.info.run_id)
    mlflow.log_table(row | {"picture": ["008"]}, "rows.json")
    after_two = logged(run.info.run_id)
print("after one row: ", after_one)
print("after two rows:", after_two)

if after_one != [["007", 0.3, 0.0, None]] or [line[0] for line in after_two] != [7, "008"]:
    sys.exit("The behaviour has changed: MLflow's tables keep their earlier rows.")
PYTHON
