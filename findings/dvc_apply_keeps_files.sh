#!/usr/bin/env bash
# `dvc exp apply` removes a file that the experiment no longer has, unless anything else lies uncommitted in the work
# tree, be it a single untracked note: then the file stays. Where a stage writes a folder of results into Git (`cache:
# false`), it lies there beside the experiment's: `dvc status` calls the folder changed, and the next `dvc repro` runs the
# stage again, although the result that was applied was complete.
#
# Versions: DVC 3.67.1.
# Source: found by a test that applied an experiment on other images, which had one figure fewer than the study in Git,
# and narrowed down by adding one untracked file. `_apply` in `dvc/repo/experiments/apply.py` moves the work tree aside
# with `preserve_workspace` only where there is something to preserve.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export DVC_NO_ANALYTICS=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'dvc==3.67.1'
PATH="$folder/venv/bin:$PATH"
mkdir "$folder/study"
cd "$folder/study"

cat > draw.py <<'PYTHON'
import pathlib

both = "both: true" in pathlib.Path("params.yaml").read_text()
plots = pathlib.Path("plots")
plots.mkdir(exist_ok=True)
for name in ["accuracy", "twins"] if both else ["accuracy"]:
    (plots / f"{name}.svg").write_text("<svg/>")
PYTHON
cat > dvc.yaml <<'YAML'
stages:
  draw:
    cmd: python draw.py
    params: [both]
    outs:
      - plots:
          cache: false
YAML
echo "both: true" > params.yaml
git init -q
dvc init -q
dvc repro -q
git add -A
git commit -qm "two figures"

dvc exp run -q --temp --name one -S both=false
echo "DVC $(dvc --version)"
echo "in the experiment: $(git ls-tree -r --name-only "$(git for-each-ref --format='%(objectname)' 'refs/exps/**/one')" plots | xargs)"
dvc exp apply -q one
echo "applied to a clean work tree: $(echo plots/*)"
[ ! -f plots/twins.svg ]
git checkout -q .
echo "buy milk" > note.txt
dvc exp apply -q one
echo "applied beside an untracked note: $(echo plots/*)"
dvc status

if ! { [ -f plots/twins.svg ] && dvc status | grep -q "modified: *plots"; }; then
    echo "The behaviour has changed: dvc exp apply may remove what the experiment no longer has."
    exit 1
fi
