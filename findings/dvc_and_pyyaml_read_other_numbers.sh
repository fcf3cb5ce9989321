#!/usr/bin/env bash
# `seed: 010` in params.yaml is 10 to DVC and 8 to the stage that reads the file with PyYAML; `limit: 12:30` is a text
# to one and 750 to the other. dvc.lock records values that no training used.
#
# Versions: DVC 3.67.1, PyYAML 6.0.4.
# Source: found by printing the same file through a template of dvc.yaml and through `yaml.safe_load`. DVC reads it by
# ruamel.yaml as YAML 1.2 (`dvc/utils/serialize/_yaml.py`), PyYAML as YAML 1.1, where a leading zero means octal,
# colons mean base 60 and `no` means false. The same holds for `dvc exp run -S limit=12:30`, which writes the plain
# text into the file.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'dvc==3.67.1' 'pyyaml==6.0.4'
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
dvc init --quiet
dvc --version

cat >params.yaml <<'YAML'
seed: 010
limit: 12:30
augment: no
YAML
cat >dvc.yaml <<'YAML'
stages:
  train:
    cmd:
      - echo 'DVC    seed ${seed} limit ${limit} augment ${augment}' >seen.txt
      - python train.py >>seen.txt
    deps: [train.py]
    params: [seed, limit, augment]
    outs: [seen.txt]
YAML
cat >train.py <<'PYTHON'
import yaml

with open("params.yaml") as file:
    params = yaml.safe_load(file)
print("PyYAML", *(f"{name} {value}" for name, value in params.items()))
PYTHON
dvc repro --quiet
cat seen.txt
grep -A 4 'params.yaml:' dvc.lock

if [ "$(cat seen.txt)" != "DVC    seed 10 limit 12:30 augment no
PyYAML seed 8 limit 750 augment False" ] || ! grep -q 'seed: 10$' dvc.lock; then
    echo 'The behaviour has changed: DVC and PyYAML read the same numbers.' >&2
    exit 1
fi
