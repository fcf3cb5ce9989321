#!/usr/bin/env bash
# Lists in a metrics file do not exist for DVC: the accuracies of single classes, written as a list, are missing from
# `dvc metrics show`, and `dvc metrics diff` finds nothing when all of them have fallen. No message, exit status 0.
#
# Versions: DVC 3.67.1.
# Source: found by writing every JSON type into a metrics file. `_extract_metrics` in `dvc/repo/metrics/show.py` keeps
# numbers, strings and dictionaries; lists and nulls go with a line at debug level only. A dictionary with a name per
# class is shown.

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
echo 'metrics: [metrics.json]' >dvc.yaml
echo '{"accuracy": 0.5, "by_class": [0.9, 0.1], "by_name": {"seal": 0.9, "otter": 0.1}}' >metrics.json
git add .
git commit --quiet --message 'Before'
shown=$(dvc metrics show)
echo "$shown"
echo '{"accuracy": 0.5, "by_class": [0.0, 0.0], "by_name": {"seal": 0.9, "otter": 0.1}}' >metrics.json
difference=$(dvc metrics diff)
echo "difference after both classes of the list fell to 0: '$difference'"

if ! grep -q 'by_name.seal' <<<"$shown" || grep -q 'by_class' <<<"$shown" || [ -n "$difference" ]; then
    echo 'The behaviour has changed: DVC shows lists in metrics.' >&2
    exit 1
fi
