#!/usr/bin/env bash
# A result that was changed by hand is put back from DVC's cache without a training if the file is declared under
# `metrics:`, and by a new training if it is declared under `outs:`. In both cases it is `cache: false`, the flag that
# says DVC is to keep no copy of it.
#
# Versions: DVC 3.67.1.
# Source: found by correcting a metrics file by hand and asking DVC to reproduce it. `Stage.run` in
# `dvc/stage/__init__.py` keeps a finished run for later unless it has an output without a cache, and does not count
# metrics and plots among those; `StageCache.save` in `dvc/stage/cache.py` then puts a copy of such a file into the
# cache all the same. So whether `dvc repro` proves anything about a number hangs on the key above it.

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

git config user.name name
git config user.email name@example.org
echo 'code' >train.txt
declare -A runs
for key in metrics outs; do
    cat >dvc.yaml <<YAML
stages:
  $key:
    cmd: echo run >>../$key.log && echo '{"$key":0.5}' >$key.json
    deps: [train.txt]
    $key:
      - $key.json: {cache: false}
YAML
    dvc repro --quiet
    echo "{\"$key\":0.9}" >"$key.json"
    dvc repro | grep -i -e "stage '$key'"
    runs[$key]=$(wc -l <"../$key.log")
    echo "declared under $key: $(cat "$key.json") after $((runs[$key])) run(s)"
done

if [ "${runs[metrics]}" -ne 1 ] || [ "${runs[outs]}" -ne 2 ]; then
    echo 'The behaviour has changed: DVC treats metrics and outs alike.' >&2
    exit 1
fi
