#!/usr/bin/env bash
# `dvc plots show NAME` takes the name as an unanchored regular expression. A plot whose name holds a bracket is then not
# found in dvc.yaml, and DVC draws the bare file in its place, without the axes and the title declared for it; and
# `loss.csv` draws `loss.csv.old.csv` and `loss-csv.csv` too. No message, exit status 0.
#
# Versions: DVC 3.67.1.
# Source: DVC's help calls targets "plots files or plot IDs from dvc.yaml". `_matches` in `dvc/repo/plots/__init__.py`
# passes each to `re.match`; what matches no definition is then read as a path.

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

for file in 'loss (seed 1).csv' loss.csv loss.csv.old.csv loss-csv.csv; do
    printf 'epoch,accuracy,loss\n1,0.2,3.0\n2,0.4,2.0\n' >"$file"
done
cat >dvc.yaml <<'YAML'
plots:
- loss (seed 1).csv: {title: Loss by epoch, x: epoch, y: loss}
- loss.csv: {title: Loss by epoch, x: epoch, y: loss}
- loss.csv.old.csv: {title: Loss before, x: epoch, y: loss}
- loss-csv.csv: {title: Something else, x: epoch, y: loss}
YAML

titles() {
    dvc plots show --json "$1" | python3 -c '
import json, sys
charts = [chart for group in json.load(sys.stdin)["data"].values() for chart in group]
print(*sorted(chart["content"]["title"]["text"] for chart in charts), sep=" | ")'
}

with_bracket=$(titles 'loss (seed 1).csv')
without=$(titles loss.csv)
echo "dvc plots show 'loss (seed 1).csv': $with_bracket"
echo "dvc plots show loss.csv:           $without"

if grep -q 'Loss by epoch' <<<"$with_bracket" || ! grep -q 'Loss before' <<<"$without" ||
    ! grep -q 'Something else' <<<"$without"; then
    echo 'The behaviour has changed: DVC takes the names of plots as they are.' >&2
    exit 1
fi
