#!/usr/bin/env bash
# Opening an existing Optuna study with `direction="maximize"` leaves it minimising: the direction is dropped, the log
# saying only that an existing study is used, and `best_value` is the worst accuracy of all.
#
# Versions: Optuna 5.0.0 with SQLite.
# Source: found by giving `create_study(load_if_exists=True)` other settings than the first time. `create_study` in
# `optuna/study/study.py` catches the error "duplicate study", logs that it uses the existing one and forgets the
# direction that it was given. A script written without a direction, run once and then corrected, keeps looking for
# the smallest accuracy, and so does its sampler.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'optuna==5.0.0'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import optuna

print("Optuna", optuna.__version__)
accuracies = iter([0.41, 0.75, 0.58])
storage = {"study_name": "accuracy", "storage": "sqlite:///study.db", "load_if_exists": True}
first = optuna.create_study(**storage)
first.optimize(lambda trial: next(accuracies), n_trials=1)
second = optuna.create_study(**storage, direction="maximize")
second.optimize(lambda trial: next(accuracies), n_trials=2)
print("accuracies:", [trial.value for trial in second.trials])
print("asked for: maximize; direction:", second.direction.name, "- best:", second.best_value)

if second.direction.name != "MINIMIZE" or second.best_value != 0.41:
    sys.exit("The behaviour has changed: Optuna takes notice of the direction given.")
PYTHON
