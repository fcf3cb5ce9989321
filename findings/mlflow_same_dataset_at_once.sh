#!/usr/bin/env bash
# Two runs that name the same new dataset in MLflow at the same moment, as the first trials of a parallel sweep may: one
# gets an MlflowException (IntegrityError: UNIQUE constraint failed) and no dataset. A second attempt finds the other
# run's dataset and succeeds.
#
# Versions: MLflow 3.17.2 (mlflow-skinny) with SQLite, SQLAlchemy 2.1.9.
# Source: found when one of three trainings that were started together was refused. `_log_inputs_impl` in
# `mlflow/store/tracking/sqlalchemy_store.py` looks for the dataset by name and digest and adds it if it is not there;
# between the two another process may do the same, and the table takes each only once. Parameters, metrics and tags of
# different runs never meet like this: a dataset belongs to the experiment, not to the run.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow-skinny==3.17.2' 'SQLAlchemy==2.1.9' 'alembic==1.20.1'
cd "$folder"

cat > at_once.py <<'PYTHON'
import logging
import multiprocessing
import os
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "1"
import mlflow
from mlflow.entities import Dataset, DatasetInput

STORE = "sqlite:///mlflow.db"
REFUSAL = "UNIQUE constraint failed: datasets."
IMAGES = DatasetInput(Dataset("train", "0123abcd", "local", "images"), [])


def name_images(run_id, barrier, answers):
    logging.disable(logging.CRITICAL)
    client = mlflow.MlflowClient(STORE)
    client.get_run(run_id)  # the connection is open before both begin
    barrier.wait()
    try:
        client.log_inputs(run_id, datasets=[IMAGES])
        answers.put((run_id, None))
    except mlflow.MlflowException as error:
        answers.put((run_id, str(error).splitlines()[0]))


def both_at_once(runs):
    """What each was answered."""
    processes = multiprocessing.get_context("spawn")  # each with a connection of its own
    barrier, answers = processes.Barrier(len(runs)), processes.Queue()
    crowd = [processes.Process(target=name_images, args=(run, barrier, answers)) for run in runs]
    for process in crowd:
        process.start()
    answered = dict(answers.get() for _ in crowd)
    for process in crowd:
        process.join()
    return answered


def main():
    logging.disable(logging.CRITICAL)
    print("MLflow", mlflow.__version__)
    client = mlflow.MlflowClient(STORE)
    for sweep in range(20):  # chance decides; the first nearly always shows it
        experiment = client.create_experiment(f"sweep {sweep}")
        runs = [client.create_run(experiment).info.run_id for _ in range(2)]
        answered = both_at_once(runs)
        refused = [run for run, error in answered.items() if error and REFUSAL in error]
        if refused:
            break

    for number, run in enumerate(runs):
        count = len(client.get_run(run).inputs.dataset_inputs)
        print(f"run {number}: {count} dataset, answered: {answered[run] or 'nothing'}")
    without = [run for run in refused if not client.get_run(run).inputs.dataset_inputs]
    for run in refused:
        client.log_inputs(run, datasets=[IMAGES])
    again = [len(client.get_run(run).inputs.dataset_inputs) for run in runs]
    print("datasets of both runs after another attempt:", again)
    if not (len(without) == 1 and again == [1, 1]):
        sys.exit("The behaviour has changed: two runs can name the same new dataset at the same moment.")


if __name__ == "__main__":
    main()
PYTHON
"$folder/venv/bin/python" at_once.py
