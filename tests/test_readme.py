"""Every number in the README's result tables stands in a file that the pipeline wrote."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLES = re.findall(r"<!-- (\S+\.md) -->\n(.*?)<!-- end -->", README, flags=re.S)


def test_there_are_result_tables():
    assert TABLES


@pytest.mark.parametrize(("file", "shown"), TABLES, ids=[file for file, _ in TABLES])
def test_a_result_table_is_its_file(file, shown):
    assert shown.strip() == (ROOT / file).read_text(encoding="utf-8").strip()


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
