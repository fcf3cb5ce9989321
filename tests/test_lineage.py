"""From a run in MLflow back to the same weights."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from ruamel.yaml import YAML

from pipeline import Clone
from tinyres.cli.reproduction import reproduction
from tinyres.common.errors import UserError
from tinyres.params import parse_yaml
from tinyres.params.overrides import overrides
from tinyres.tracking.lineage import PROCESSOR, lineage_tags

CPUINFO = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
STAGE = "train-baseline"
SETTINGS = ["epochs=1", "lr=0.002", "embed.perplexity=15"]

names = st.from_regex(r"p[a-z0-9_]{0,5}", fullmatch=True)  # begins as no value of YAML's or Hydra's does
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(lambda x: float(f"{x:.6g}"))  # DVC rounds longer ones
ascii_text = st.text(st.characters(codec="ascii", exclude_characters="\\$", exclude_categories=["Cc"]), max_size=8)
words = ascii_text.filter(lambda text: not text.startswith("?"))  # ruamel.yaml 0.19.1 cannot read what it writes then
values = st.none() | st.booleans() | numbers | words
params = st.recursive(
    st.dictionaries(names, values | st.lists(values, max_size=3), max_size=4),
    lambda inner: st.dictionaries(names, values | inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=50)
@given(before=params, after=params)
@example(before={"classes": []}, after={"classes": {}})
@example(before={"classes": {"a": 1}}, after={"classes": ["a"]})
def test_overrides_turn_one_set_of_parameters_into_any_other(tmp_path_factory, before: Any, after: Any):
    """By DVC's own hand, as `dvc exp run -S` does it."""
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    YAML(typ="safe").dump(before, file)
    apply_overrides(file, overrides(before, after))
    assert parse_yaml(file.read_text(), "params.yaml") == after


def test_what_is_the_same_is_not_named():
    before = {"lr": 0.1, "seed": 0, "models": {"a": {"stem": None, "name": "cnn"}}, "classes": "all"}
    after = {"lr": 0.01, "seed": 0, "models": {"a": {"stem": {"kernel": 3}, "name": "cnn"}}, "classes": ["one", "two"]}
    assert overrides(before, after) == ["classes=[one,two]", "lr=0.01", "models.a.stem={kernel:3}"]
    assert overrides(after, before) == ["classes=all", "lr=0.1", "~models.a.stem", "+models.a.stem=null"]


@pytest.mark.skipif("model name" not in CPUINFO, reason="the system does not name its processor in /proc/cpuinfo")
def test_a_training_names_its_processor_and_a_restored_model_none():
    assert f": {lineage_tags('train-net', 'data', 'here')[PROCESSOR]}\n" in CPUINFO
    assert PROCESSOR not in lineage_tags("train-net", "data", None)


@pytest.fixture(scope="module")
def clone(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the baseline was trained twice: by the commit's code, and by code that no commit holds."""
    clone = digits.copy(tmp_path_factory.mktemp("lineage"))
    train(clone, "committed", *SETTINGS)
    clone.run("git", "checkout", "-q", ".")
    optimization = clone.folder / "src/tinyres/training/optimizers.py"
    text = "from tinyres.training.doubled import FACTOR\n" + optimization.read_text().replace(
        "lr=params.lr,", "lr=FACTOR * params.lr,"
    )
    optimization.write_text(text)
    (clone.folder / "src/tinyres/training/doubled.py").write_text("FACTOR = 2\n")
    train(clone, "edited", *SETTINGS, "tracking.system_metrics=true")
    return clone


def train(clone: Clone, name: str, *settings: str) -> None:
    words = [word for each in settings for word in ("-S", each)]
    clone.run("dvc", "exp", "run", "--name", name, *words, STAGE, MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL="0.2")


def run_of(folder: Path, name: str | None = None) -> Run:
    """The only run, or the only one of the experiment, in a repository's store."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    (run,) = [run for run in runs if name is None or run.data.tags["dvc.experiment"] == name]
    return run


@pytest.mark.pipeline
@pytest.mark.slow
def test_who_follows_the_commands_in_a_fresh_clone_gets_the_same_weights(clone, tmp_path):
    """Of a run whose code no commit holds, which the commands bring back with `git apply`."""
    run = run_of(clone.folder, "edited")
    script = clone.tinyres("reproduce", run.info.run_id)
    assert "git apply" in script
    other = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", clone.folder, other], check=True)
    for key in ("user.email", "user.name"):
        subprocess.run(["git", "config", key, "tests"], cwd=other, check=True)
    done = subprocess.run(
        ["sh", "-e"], input=script, cwd=other, env=clone.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"> {run.data.tags['tinyres.command']}" in done.stdout, "it trained, and by the same command"
    again = run_of(other)
    for tag in ("tinyres.weights", "tinyres.data", "tinyres.environment", "git.commit", "git.clean", "tinyres.study"):
        assert again.data.tags[tag] == run.data.tags[tag], tag
    assert again.data.params == run.data.params


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_run_says_where_it_comes_from(clone):
    committed, edited = run_of(clone.folder, "committed"), run_of(clone.folder, "edited")
    assert committed.data.tags["tinyres.weights"] != edited.data.tags["tinyres.weights"]
    commit = clone.run("git", "rev-parse", "HEAD").strip()
    for run, clean in ((committed, "true"), (edited, "false")):
        tags = run.data.tags
        assert (tags["git.commit"], tags["git.clean"]) == (commit, clean)
        assert (tags["tinyres.study"], tags["tinyres.stage"]) == (".", STAGE)
        assert tags["tinyres.command"] == "python ./stages/train.py baseline"
        assert re.fullmatch(
            r"Python 3\.\S+, torch \S+, torchvision \S+, CUDA \S+, (CPU, \d+ cores, \d+ threads|.+)",
            tags["tinyres.environment"],
        )
        (kept,) = (Path(run.info.artifact_uri.removeprefix("file://")) / "lineage").glob("params.yaml")
        params = yaml.safe_load(kept.read_text())
        assert (params["epochs"], params["data"]["source"], params["embed"]["perplexity"]) == (1, "digits", 15)


@pytest.mark.pipeline
@pytest.mark.slow
def test_system_metrics_are_logged_where_they_are_asked_for(clone):
    asked = {name for name in run_of(clone.folder, "edited").data.metrics if name.startswith("system/")}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= asked
    assert not [name for name in run_of(clone.folder, "committed").data.metrics if name.startswith("system/")]


@pytest.fixture
def inside(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone's folder, with this process in it."""
    monkeypatch.chdir(clone.folder)
    monkeypatch.setenv("DVC_ROOT", str(clone.folder))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{clone.folder}/mlflow.db")
    return clone.folder


@pytest.mark.pipeline
@pytest.mark.slow
def test_what_cannot_be_brought_back_is_told_in_one_sentence(clone, inside):
    def told(run_id: str) -> str:
        with pytest.raises(UserError) as error:
            reproduction(run_id)
        assert "\n" not in str(error.value)
        return str(error.value)

    printed = clone.tinyres_in_process("reproduce", "nonsense", status=1)
    assert re.fullmatch("error: MLflow at sqlite:///.* has no run 'nonsense'.*\n", printed)
    client = MlflowClient(f"sqlite:///{inside}/mlflow.db")
    bare = client.create_run(run_of(inside, "committed").info.experiment_id).info.run_id
    assert "does not say where it comes from: it has no tag git.commit" in told(bare)
    for tag, value in {"git.commit": 40 * "a", "tinyres.study": ".", "tinyres.stage": STAGE}.items():
        client.set_tag(bare, tag, value)
    assert "holds no lineage/params.yaml" in told(bare)
    client.log_text(bare, "seed: 0", "lineage/params.yaml")
    assert f"This repository has no params.yaml in commit {40 * 'a'}; fetch it first" in told(bare)
    client.delete_run(bare)


@pytest.mark.pipeline
@pytest.mark.slow
def test_whether_there_are_weights_to_compare_with_is_said(inside):
    client = MlflowClient(f"sqlite:///{inside}/mlflow.db")
    run = run_of(inside, "committed")
    script = reproduction(run.info.run_id)
    assert f"weights {run.data.tags['tinyres.weights']}" in script
    assert "git apply" not in script, "its commit holds all of its code"
    tags = {name: value for name, value in run.data.tags.items() if name != "tinyres.weights"}
    other = client.create_run(run.info.experiment_id, tags=tags).info.run_id
    client.log_text(other, (inside / "params.yaml").read_text(), "lineage/params.yaml")
    assert "weights none: this training did not end" in reproduction(other)
    client.set_terminated(other)
    assert "weights none are kept of this training" in reproduction(other)
    client.delete_run(other)
