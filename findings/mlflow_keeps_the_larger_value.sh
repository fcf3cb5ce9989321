#!/usr/bin/env bash
# Of two values that one run logs in MLflow for the same metric, step and millisecond, the larger is the run's value,
# not the later; NaN counts as 0 there, so that it beats a negative number and loses to a positive one.
#
# Versions: MLflow 3.17.2 (mlflow-skinny) with SQLite, SQLAlchemy 2.1.9.
# Source: found by logging equal points in both orders. `_update_latest_metrics_if_necessary` in
# `mlflow/store/tracking/sqlalchemy_store.py` orders points by step, timestamp and, last, value; NaN is stored as the
# value 0 with a mark beside it. A loop that logs without steps puts everything on step 0, and fast logging meets in
# one millisecond: a loss then shows its worst value, an accuracy its best.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow-skinny==3.17.2' 'SQLAlchemy==2.1.9' 'alembic==1.20.1'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import logging
import math
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "1"
import mlflow
from mlflow.entities import Metric

logging.getLogger("mlflow").setLevel(logging.ERROR)
print("MLflow", mlflow.__version__)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = mlflow.MlflowClient()
seen = {}
for name, values in {
    "falling": [0.9, 0.2],
    "rising": [0.2, 0.9],
    "NaN after a positive": [0.2, math.nan],
    "NaN before a negative": [math.nan, -0.2],
}.items():
    with mlflow.start_run() as run:
        for value in values:
            client.log_batch(run.info.run_id, metrics=[Metric("loss", value, timestamp=1_000, step=0)])
    seen[name] = client.get_run(run.info.run_id).data.metrics["loss"]
    print(f"{name:21} logged {values}, the run's value is {seen[name]}")

larger = seen["falling"] == seen["rising"] == 0.9
if not (larger and seen["NaN after a positive"] == 0.2 and math.isnan(seen["NaN before a negative"])):
    sys.exit("The behaviour has changed: MLflow no longer keeps the larger of two equal points.")
PYTHON
