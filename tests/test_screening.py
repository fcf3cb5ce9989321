"""Screening: a design in which each ingredient's effect is its own, and what the runs tell of it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Run

from tinyres.common.dataset import write_dataset
from tinyres.evaluation.screening import ingredient_effects, ingredient_effects_table, runs_table, screening_design
from tinyres.params import flat, load_yaml, read_params, with_values
from tinyres.sources import digits
from tinyres.sources.subset import extract

ROOT = Path(__file__).resolve().parents[1]
INGREDIENTS = st.integers(1, 16)
RECIPE = ("lr", "weight_decay", "augment", "optimizer", "scheduler", "loss", "early_stopping")


@given(INGREDIENTS)
def test_each_ingredient_is_in_half_of_the_runs_and_each_pair_in_a_quarter(count):
    design = screening_design(count)
    runs = len(design)
    together = design.T.astype(int) @ design
    assert design.shape == (runs, count)
    assert (np.diag(together) == runs // 2).all()
    assert (together[~np.eye(count, dtype=bool)] == runs // 4).all()
    assert runs == 8 or runs < 4 * count  # no more than it takes


def test_the_first_run_has_everything():
    assert screening_design(8)[0].all()


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=16), st.floats(0.2, 0.8))
def test_what_ingredients_add_up_to_is_told_apart_exactly(added, base):
    design = screening_design(len(added))
    effects = ingredient_effects(design, base + design @ np.array(added))
    assert [each.value for each in effects] == pytest.approx(added, abs=1e-12)
    for each in effects:
        assert each.with_it - each.without == pytest.approx(each.value, abs=1e-12)
        assert each.high - each.low == pytest.approx(0, abs=1e-9)  # nothing is left to chance


@given(st.integers(2, 8), st.data())
def test_what_two_ingredients_do_to_each_other_is_nobodys_effect(count, data):
    """It widens the interval instead."""
    first, second = data.draw(st.permutations(range(count)))[:2]
    design = screening_design(count)
    signs = np.where(design, 1, -1)
    effects = ingredient_effects(design, 0.5 + 0.01 * signs[:, first] * signs[:, second])
    assert [each.value for each in effects] == pytest.approx([0] * count, abs=1e-12)
    assert all(each.low < -0.001 and each.high > 0.001 for each in effects)


def test_the_interval_holds_the_effect_as_often_as_it_says():
    generator = np.random.default_rng(0)
    design, true = screening_design(8), 0.02
    held = []
    for _ in range(1000):
        effect = ingredient_effects(design, 0.5 + true * design[:, 3] + generator.normal(0, 0.01, len(design)))[3]
        held.append(effect.low <= true <= effect.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_the_table_begins_with_what_helps_most():
    made_of = {"first": {"a": 1}, "second": {"b": True, "c": "x"}, "third": {"d": 0.5}}
    design = screening_design(3)
    effects = dict(zip(made_of, ingredient_effects(design, 0.5 + design @ np.array([0.01, 0.03, -0.02])), strict=True))
    rows = ingredient_effects_table(effects, made_of).rows
    assert [(row[0], row[3], row[5]) for row in rows] == [
        ("second", "+3.00", "`b=true` `c=x`"),
        ("first", "+1.00", "`a=1`"),
        ("third", "-2.00", "`d=0.5`"),
    ]


def test_every_run_is_told():
    design = screening_design(2)
    table = runs_table(["one", "other"], design, [0.25] * len(design))
    assert table.header == ["run", "one", "other", "val_accuracy"]
    assert table.rows[0] == ["0", "1", "1", "0.2500"]
    assert len(table.rows) == len(design)


def recipe(folder: str) -> dict[str, object]:
    content = load_yaml(ROOT / folder / "params.yaml")
    return flat({name: content[name] for name in RECIPE})


def screened_values() -> dict[str, object]:
    groups = yaml.safe_load((ROOT / "studies/ingredients/ingredients.yaml").read_text())
    return {name: value for group in groups.values() for name, value in group.items()}


def test_the_study_begins_with_the_papers_recipe():
    assert recipe("studies/ingredients") == recipe(".")


def test_the_tuned_recipe_has_nothing_that_was_not_screened():
    paper, tuned = recipe("."), recipe("studies/tuned")
    assert {name for name in tuned if tuned[name] != paper[name]} <= screened_values().keys()


def test_every_screened_value_changes_the_recipe():
    before = recipe("studies/ingredients")
    for name, value in screened_values().items():
        assert before[name] != value, name


@pytest.fixture
def small_study(root: Path) -> Path:
    """On scikit-learn's digits, with an ingredient that hinders learning altogether."""
    tried = {"no learning": {"lr": 1e-12}, "smoothing": {"loss.label_smoothing": 0.1}}
    (root / "ingredients.yaml").write_text(yaml.safe_dump(tried, sort_keys=False))
    small = {"epochs": 4, "batch_size": 16, "data.source": "digits"}
    images = {"subset.classes": "all", "subset.per_class": 25, "subset.validation": 100}
    off = {f"augment.online.{name}": 0 for name in ("crop_padding", "flip", "rotation", "hue")}
    content = with_values(load_yaml(ROOT / "studies/ingredients/params.yaml"), small | images | off)
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    digits.download(root / "raw")
    subset = read_params("subset", file=root / "params.yaml").subset
    write_dataset(root / "data/subset", *extract(digits.read(root / "raw"), subset, seed=0))
    return root


def runs_in(folder: Path, experiment: str) -> list[Run]:
    """Of the folder's own MLflow store, in the order of their names, each with the curve of every epoch."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    for run in found:
        curve = client.get_metric_history(run.info.run_id, "train_accuracy")
        assert [point.step for point in curve] == [1, 2, 3, 4]
    return sorted(found, key=lambda run: run.info.run_name)


def test_the_stage_trains_every_run_of_the_design_once_even_if_it_is_killed(small_study):
    """Its table then says what hinders learning, and MLflow holds each run once, with its recipe."""
    command = [sys.executable, ROOT / "stages/screen.py", "baseline", "./ingredients.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, cwd=small_study, env=environment, stderr=subprocess.PIPE, text=True) as first:
        told = next(line for line in first.stderr if line.startswith("run 2/8"))
        first.kill()
    assert not (small_study / "metrics").exists()
    second = subprocess.run(command, cwd=small_study, env=environment, stderr=subprocess.PIPE, text=True)
    assert second.returncode == 0, second.stderr
    assert "run 2/8" not in second.stderr
    assert "run 8/8" in second.stderr
    assert list((small_study / ".checkpoints").iterdir()) == []

    rows = list(csv.DictReader((small_study / "metrics/runs.csv").read_text().splitlines()))
    assert f"{float(rows[1]['val_accuracy']):.2%}" in told
    assert [(row["no learning"], row["smoothing"]) for row in rows].count(("1", "0")) == len(rows) // 4
    learnt = {has: [float(row["val_accuracy"]) for row in rows if row["no learning"] == has] for has in "01"}
    assert min(learnt["0"]) > max(learnt["1"])
    last = (small_study / "metrics/ingredients.md").read_text().splitlines()[-1]
    assert last.startswith("| no learning")
    assert "`lr=1e-12`" in last

    runs = runs_in(small_study, "ingredients")
    assert [run.info.run_name for run in runs] == [f"run-{number:02}" for number in range(8)]
    for run, row in zip(runs, rows, strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.metrics["val_accuracy"] == pytest.approx(float(row["val_accuracy"]), abs=5e-5)
        assert run.data.params["lr"] == ("1e-12" if row["no learning"] == "1" else "0.001")
        assert ("smoothing" in run.data.tags["tinyres.ingredients"]) == (row["smoothing"] == "1")
        assert run.data.params["seed"] == row["run"]
