#!/usr/bin/env bash
# A table logged to MLflow with a column called `modified` comes back with dates in it: 600,000,000 multiplications
# become a morning in 1989. The column `baseline` beside it stays numbers.
#
# Versions: MLflow 3.17.2 (mlflow-skinny), pandas 3.1.1.
# Source: found with a table of two networks' operations, one named modified. `MlflowClient.load_table` in
# `mlflow/tracking/client.py` reads the artifact through `pandas.read_json(orient="split")`, whose `convert_dates`
# takes a column for a date by its name (`_should_convert_dates` in `pandas/io/json/_json.py`: `modified`, `date`,
# `*_at`, `*_time`, `timestamp*`) once every value is above 31,536,000, the seconds of a year. Accuracies are too
# small to be hit; counts of operations, bytes and milliseconds are not. There is no option to switch it off in
# `load_table`.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow-skinny==3.17.2' 'pandas==3.1.1' 'SQLAlchemy==2.1.9' 'alembic==1.20.1'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import logging
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "1"
import mlflow
import pandas as pd

logging.getLogger("mlflow").setLevel(logging.ERROR)
print("MLflow", mlflow.__version__, "pandas", pd.__version__)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
operations = [600_000_000, 557_000_000]
with mlflow.start_run() as run:
    mlflow.log_table({"baseline": operations, "modified": operations}, "operations.json")
loaded = mlflow.load_table("operations.json", run_ids=[run.info.run_id])
print(loaded.to_string())
print(loaded.dtypes.to_string())

if not (loaded["baseline"].tolist() == operations and pd.api.types.is_datetime64_any_dtype(loaded["modified"])):
    sys.exit("The behaviour has changed: a column called modified is no longer read as dates.")
PYTHON
