#!/usr/bin/env bash
# DVC does not run a stage again whose parameter changed from 1 to true, from 0 to false or from 1 to 1.0, though the
# command reads another value; and a parameter that is .nan has changed at every look, so that its stage is never up
# to date.
#
# Versions: DVC 3.67.1, Python 3.11.
# Source: found by changing a parameter's type and not its amount. `ParamsDependency.workspace_status` in
# `dvc/dependency/param.py` compares the recorded value with the file's by Python's `!=`, for which `1 != True` is
# false and `nan != nan` is true. A switch corrected from 1 to true, or a size from 64 to 64.0, keeps the old result.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'dvc==3.67.1'
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
dvc init --quiet
dvc --version

cat >params.yaml <<'YAML'
augment: 1
decay: 0
width: 64
YAML
cat >dvc.yaml <<'YAML'
stages:
  train:
    cmd: cp params.yaml model.txt
    params: [augment, decay, width]
    outs: [model.txt]
  test:
    cmd: date >report.txt
    params:
      - limits.yaml: [worst]
    outs: [report.txt]
YAML
echo 'worst: .nan' >limits.yaml
dvc repro --quiet

cat >params.yaml <<'YAML'
augment: true
decay: false
width: 64.0
YAML
echo "--- after 1 became true, 0 false and 64 64.0, while .nan stayed:"
status=$(dvc status)
echo "$status"
dvc repro --quiet
echo "--- what the last training saw:"
cat model.txt

if grep -q 'train' <<<"$status" || ! grep -q 'modified: *worst' <<<"$status" || ! grep -q 'augment: 1' model.txt; then
    echo 'The behaviour has changed: DVC tells 1 from true, or .nan from a change.' >&2
    exit 1
fi
