"""Every number in the result tables of the README and of docs/ stands in a file that a command wrote."""

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.hydra import apply_overrides

from tinyres.evaluation.trust import suspect_labels

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRUST = (ROOT / "docs/trust.md").read_text(encoding="utf-8")
TABLES = re.findall(r"<!-- (\S+\.md) -->\n(.*?)<!-- end -->", README + TRUST, flags=re.S)


def test_there_are_result_tables():
    assert len(TABLES) >= 3


@pytest.mark.parametrize(("file", "shown"), TABLES, ids=[file for file, _ in TABLES])
def test_a_result_table_is_its_file(file, shown):
    assert shown.strip() == (ROOT / file).read_text(encoding="utf-8").strip()


def test_what_is_said_of_the_labels_suspected_most_was_seen():
    with (ROOT / "benchmarks/suspects_by_eye.csv").open(encoding="utf-8") as stream:
        judged = list(csv.DictReader(stream))
    said = re.search(
        r"Of the hundred test labels .*?, (\d+) are wrong, (\d+) are ambiguous, .* and (\d+) are right",
        TRUST,
        flags=re.S,
    )
    seen = Counter(each["seen"] for each in judged)
    assert [int(number) for number in said.groups()] == [seen["wrong"], seen["ambiguous"], seen["right"]]
    assert seen.total() == 100


def test_the_labels_that_were_looked_at_are_those_suspected_most(source):
    probabilities = np.load(ROOT / "metrics/evaluation/probabilities_modified.npy")
    suspects = suspect_labels(probabilities.astype(np.float64), source.splits["test"].labels)
    with (ROOT / "benchmarks/suspects_by_eye.csv").open(encoding="utf-8") as stream:
        judged = [int(each["test"]) for each in csv.DictReader(stream)]
    assert suspects.rows[:100].tolist() == judged
    assert f"It suspects {len(suspects.rows):,} of the 10,000 test labels" in TRUST


def test_what_the_readme_says_of_pretraining_is_in_its_table():
    with (ROOT / "studies/pretrained/metrics/table.csv").open(encoding="utf-8") as stream:
        rows = {row["metric"]: row for row in csv.DictReader(stream)}
    accuracy = rows["test accuracy (%)"]
    low, high = (
        rows[f"improvement of test accuracy, {end} end of the 95 % interval (points)"] for end in ("lower", "upper")
    )
    expected = [accuracy["scratch"], accuracy["pretrained"], *(row["improvement"] for row in (accuracy, low, high))]
    section = README.partition("## Without labels")[2].partition("\n## ")[0]
    said = re.search(
        r"([\d.]+) % from fresh weights, ([\d.]+) % from pretrained ones, a gain of ([\d.]+) points\s"
        r"\(95 % interval (\S+) to ([^,]+),",
        section,
    )
    assert [float(number) for number in said.groups()] == [round(float(number), 1) for number in expected]


def test_wrong_parameters_are_answered_as_the_readme_shows(tmp_path):
    command, *shown = re.search(r"^\$ (dvc exp run -S lr=abc.*?)\n```", README, flags=re.M | re.S)[1].splitlines()
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    apply_overrides(tmp_path / "params.yaml", [word for word in command.split() if "=" in word])
    stage = [sys.executable, ROOT / "stages/download.py"]
    ended = subprocess.run(stage, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.splitlines()) == (1, shown)
