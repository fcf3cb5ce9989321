"""`tinyres search`: trials that are DVC experiments and MLflow runs, pruned, stopped, killed, shared."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline import ROOT, Clone
from server import postgresql
from tinyres.cli.search.space import params_with, read_space
from tinyres.cli.search.storage import open_storage
from tinyres.cli.search.study import Plan, Search, best_trial, kept_epoch
from tinyres.common.errors import UserError

VALIDATION = ["subset.per_class=10", "subset.validation=0.5"]
NAME = "slope"
EPOCHS = 30  # of a third of a second: curves are seen three seconds late at most, and a hopeless one is to be pruned
HOPELESS = "1e-9"
"""A learning rate that learns nothing. The search's name decides what is drawn: 0.001, 0.002 and this one."""
SEARCH = [NAME, "--stage", "train-modified", "--trials", "3", "--startup", "2", "-S", f"epochs={EPOCHS}"]
SEARCH += ["-S", "batch_size=16", "-S", f"lr=choice(0.001,0.002,{HOPELESS})"]


def start(clone: Clone, *arguments: str) -> subprocess.Popen[str]:
    environment = clone.environment(PYTHONPATH="src", OMP_NUM_THREADS="1")
    return subprocess.Popen(
        [sys.executable, "-m", "tinyres", "search", *arguments],
        cwd=clone.folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def search(clone: Clone, *arguments: str, status: int = 0) -> str:
    return clone.tinyres_in_process("search", *arguments, status=status, OMP_NUM_THREADS="1")


def wait_for_training(process: subprocess.Popen[str]) -> None:
    """Until the first line about an epoch."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "modified: epoch" in line:
            return
    raise AssertionError(f"the search ended without a word about an epoch:\n{said}")


def runs_of(clone: Clone, name: str) -> dict[str, Run]:
    """A search's runs by the names of their experiments; each experiment has one."""
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    found = [run for run in runs if run.data.tags.get("dvc.experiment", "").startswith(f"{name}-")]
    by_name = {run.data.tags["dvc.experiment"]: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def epochs_of(clone: Clone, run: Run) -> list[int]:
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    return [point.step for point in client.get_metric_history(run.info.run_id, "val_accuracy")]


@pytest.fixture(scope="module")
def clone(digits: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with digits ready for training, half of the training images for validation."""
    clone = digits.copy(tmp_path_factory.mktemp("search"))
    clone.set_params(*VALIDATION)
    clone.repro("augment")
    clone.commit("half of the images for validation")
    return clone


@pytest.fixture(scope="module")
def searched(clone: Clone) -> tuple[Clone, str, str]:
    """The clone after a search that was stopped in its first training and went on; what it said both times."""
    process = start(clone, *SEARCH)
    wait_for_training(process)
    process.terminate()
    out, err = process.communicate()
    assert process.returncode == 1, out + err
    assert clone.run("git", "status", "--short") == "", "the workspace is as it was"
    return clone, out + err, search(clone, *SEARCH)


@pytest.mark.pipeline
@pytest.mark.slow
def test_stopped_it_says_how_to_go_on(searched):
    _, stopped, _ = searched
    assert stopped.splitlines()[-1] == f"error: The search {NAME} was stopped; the same command goes on with it."
    assert "Traceback" not in stopped


@pytest.mark.pipeline
@pytest.mark.slow
def test_the_stopped_trial_is_taken_again_and_goes_on_where_it_was(searched):
    clone, _, said = searched
    assert "modified: goes on after epoch" in said
    run = runs_of(clone, NAME)[f"{NAME}-0"]
    assert run.info.status == "FINISHED"
    assert sorted(epochs_of(clone, run)) == list(range(1, EPOCHS + 1))


@pytest.mark.pipeline
@pytest.mark.slow
def test_every_trial_is_a_dvc_experiment_and_an_mlflow_run(searched):
    clone, _, _ = searched
    runs = runs_of(clone, NAME)
    trained = [name for name, run in runs.items() if run.data.params["lr"] != str(float(HOPELESS))]
    listed = clone.run("dvc", "exp", "list", "--name-only").split()
    assert sorted(name for name in listed if name.startswith(NAME)) == sorted(trained)
    assert len(runs) == 3
    assert len(trained) == 2
    assert clone.run("git", "status", "--short") == ""


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_hopeless_training_is_pruned_and_leaves_nothing_to_go_on_with(searched):
    clone, _, said = searched
    (hopeless,) = [run for run in runs_of(clone, NAME).values() if run.data.params["lr"] == str(float(HOPELESS))]
    assert hopeless.info.status == "KILLED"
    assert 1 <= len(epochs_of(clone, hopeless)) < EPOCHS
    assert f"{hopeless.data.tags['dvc.experiment']}: pruned after epoch" in said
    assert not list((clone.folder / ".checkpoints").iterdir())


@pytest.mark.pipeline
@pytest.mark.slow
def test_the_best_comes_back_as_a_command(searched):
    """Who follows it gets the result that the search promised."""
    clone, _, said = searched
    command = said.splitlines()[-1]
    assert search(clone, NAME, "--best").splitlines() == [command]
    (told,) = [line for line in said.splitlines() if line.startswith("best of")]
    value = float(told.split()[-1])
    trained = [run.data.metrics["val_accuracy"] for run in runs_of(clone, NAME).values()]
    assert value == pytest.approx(max(trained), abs=1e-4)
    clone.run(*command.split())
    assert clone.read("plots/history/modified.csv").splitlines()[-1].split(",")[4] == f"{value:.6g}"
    clone.run("git", "checkout", "-q", ".")
    clone.run("git", "clean", "-fdq", "metrics", "plots")


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_finished_search_runs_nothing_more(searched):
    clone, _, said = searched
    before = runs_of(clone, NAME).keys()
    assert search(clone, *SEARCH).splitlines()[-1] == said.splitlines()[-1]
    assert runs_of(clone, NAME).keys() == before


@pytest.mark.pipeline
@pytest.mark.slow
def test_killed_it_takes_its_trial_again(clone):
    """The kill leaves no time to say so to Optuna; the missing heartbeat does."""
    command = ["killed", "--stage", "train-baseline", "--trials", "1", "-S", "epochs=20"]
    command += ["-S", "lr=tag(log,interval(1e-4,1e-2))"]
    process = start(clone, *command)
    assert process.stderr is not None
    next(line for line in process.stderr if "baseline: epoch 2/" in line)
    process.kill()
    process.communicate()
    said = search(clone, *command)
    assert "baseline: goes on after epoch" in said
    assert said.splitlines()[-2].startswith("best of killed: killed-0, val_accuracy ")
    (run,) = runs_of(clone, "killed").values()
    assert run.info.status == "FINISHED"
    assert set(epochs_of(clone, run)) == set(range(1, 21))
    assert clone.run("git", "status", "--short") == ""


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_training_that_fails_says_why_and_counts(clone):
    command = ["wild", "--stage", "train-baseline", "--trials", "1", "-S", "lr=choice(1e30)", "-S", "epochs=3"]
    said = search(clone, *command, status=1)
    assert "wild-0: failed: The loss is not finite at epoch" in said
    assert said.splitlines()[-1].startswith("error: No trial of wild came to its end yet")
    # It may fail before its run is made: curves are sent off the training's path.
    assert all(run.info.status == "FAILED" for run in runs_of(clone, "wild").values())


@pytest.mark.pipeline
@pytest.mark.slow
def test_two_machines_share_a_search_on_postgresql(clone, tmp_path):
    """Two repositories, each with its own data, DVC and MLflow; all that they share is Optuna's storage."""
    other = clone.copy(tmp_path / "other")
    with postgresql() as storage:
        command = ["shared", "--storage", storage, "--stage", "train-baseline", "--trials", "3"]
        command += ["-S", "epochs=2", "-S", "lr=tag(log,interval(1e-4,1e-2))", "-S", "batch_size=choice(16,32)"]
        processes = [start(each, *command) for each in (clone, other)]
        said = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
        trials = optuna.load_study(study_name="shared", storage=open_storage(storage)).trials
    mine, theirs = (set(runs_of(each, "shared")) for each in (clone, other))
    assert mine
    assert theirs
    assert mine.isdisjoint(theirs)
    assert mine | theirs == {f"shared-{number}" for number in range(len(trials))}
    assert len(trials) in (3, 4), "4 where both took their last one at the same moment"
    assert len({out.splitlines()[-1] for out, _ in said}) == 1, "both know the best of all"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's root with the paper's study, without any run."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def drawn(*values: str, trials: int = 30) -> Iterator[list[str]]:
    space = read_space(list(values))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(trials):
        yield space.draw(study.ask())


def test_what_is_drawn_is_what_dvc_takes(study):
    for each in drawn(
        "lr=tag(log,interval(1e-4,1e-1))",
        "batch_size=range(32,129,32)",
        "epochs=int(interval(1,8))",
        "weight_decay=0,0.0001",
        "augment.offline=choice([],[report_hsv])",
        "subset.validation=0.1",
    ):
        assert each[0] == "subset.validation=0.1", "the same in every trial"
        params = params_with(each)
        assert 1e-4 <= params.lr <= 1e-1
        assert params.batch_size in (32, 64, 96, 128), "without its end, as Hydra's ranges are"
        assert 1 <= params.epochs <= 8
        assert params.weight_decay in (0, 0.0001)
        assert params.augment.offline in ([], ["report_hsv"])


@settings(max_examples=25)
@given(low=st.floats(1e-6, 1), factor=st.floats(1.5, 1e4), log=st.booleans())
def test_an_interval_is_kept_to_six_digits(low, factor, log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    interval = f"interval({low!r},{low * factor!r})"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for (setting,) in drawn(f"lr=tag(log,{interval})" if log else f"lr={interval}", trials=2):
            lr = params_with([setting]).lr
            assert low * (1 - 1e-5) <= lr <= low * factor * (1 + 1e-5)
            assert setting == f"lr={lr:.6g}"


@pytest.mark.parametrize(("restore_best", "kept"), [(True, 1), (False, 3)])
def test_a_trial_is_worth_what_its_model_is(study, restore_best, kept):
    history = [{"val_loss": loss} for loss in (0.9, 0.3, 0.5, 0.3)]
    params = params_with(["subset.validation=0.1", f"early_stopping.restore_best={str(restore_best).lower()}"])
    assert history[kept_epoch(history, params)] is history[kept]


VALID = ["subset.validation=0.1", "lr=interval(0.001,0.1)"]


@pytest.mark.parametrize(
    ("values", "stage", "told"),
    [
        (["lr=interval(0.1"], "train-modified", r"-S 'lr=interval\(0.1' cannot be read"),
        (["lr=log(1,2)"], "train-modified", "cannot be read .*Unknown function 'log'|cannot be read"),
        (["lr=interval(1,0.1)"], "train-modified", "leaves no values .* give the lower end first"),
        (["lr=tag(log,interval(0,1))"], "train-modified", "leaves no values"),
        (["lr=range(5,1)"], "train-modified", "leaves no values"),
        (["lr=glob(*)"], "train-modified", "is no set of values"),
        (["lrr=interval(0,1)"], "train-modified", "names no parameter of params.yaml; did you mean 'lr'?"),
        (["optimizer.momentun=0,0.9"], "train-modified", "did you mean 'optimizer.momentum'?"),
        (["lr=0.1"], "train-modified", "nothing to search"),
        ([*VALID, "batch_size=many"], "train-modified", "batch_size"),
        ([*VALID, "~lr"], "train-modified", "lr"),
        (VALID, "train-modifed", "no stage 'train-modifed' that trains a network; did you mean 'train-modified'?"),
        (VALID, "evaluate", "no stage 'evaluate' that trains a network"),
        (VALID[1:], "train-modified", "needs validation images"),
        ([*VALID, "subset.validation_from=test"], "train-modified", "would choose by test images"),
    ],
)
def test_bad_input_is_told_in_one_sentence(study, values, stage, told):
    with pytest.raises(UserError, match=told) as error:
        Search(Plan("bad", stage, values, "val_accuracy"), "sqlite:///optuna.db", 5, 0)
    assert "\n" not in str(error.value)
    assert not list(study.glob("optuna.db*")), "nothing was begun"


def test_a_search_goes_on_only_with_what_it_was_begun_with(study):
    def begun(stage="train-modified", values=VALID, metric="val_accuracy") -> Search:
        return Search(Plan("same", stage, values, metric), "sqlite:///optuna.db", 5, 0)

    begun()
    begun()
    with pytest.raises(UserError, match="has the stage train-modified; give the same, or another name"):
        begun(stage="train-baseline")
    with pytest.raises(UserError, match=r"has the settings -S subset.validation=0.1 -S 'lr=interval\(0.001,0.1\)'"):
        begun(values=[*VALID, "epochs=3"])
    with pytest.raises(UserError, match="has the metric val_accuracy"):
        begun(metric="val_loss")
    params = yaml.safe_load((study / "params.yaml").read_text())
    (study / "params.yaml").write_text(yaml.safe_dump(params | {"seed": 7}))
    with pytest.raises(UserError, match="changed since the search same began"):
        begun()


def test_trials_that_cannot_be_end_the_search(study):
    """Every one of them contradicts the schema, and no training is started."""
    values = ["subset.validation=0.1", "optimizer.nesterov=choice(true)", "lr=interval(0.001,0.1)"]
    search = Search(Plan("never", "train-modified", values, "val_accuracy"), "sqlite:///optuna.db", 5, 0)
    with pytest.raises(
        UserError, match=r"3 trials in a row failed, the last one so: .*optimizer.nesterov needs momentum"
    ):
        search.run(10)
    with pytest.raises(UserError, match="No trial of never came to its end yet"):
        best_trial("never", "sqlite:///optuna.db")
    with pytest.raises(UserError, match=r"There is no search 'nevr'; did you mean 'never'\?"):
        best_trial("nevr", "sqlite:///optuna.db")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (
            "postgresql://me:secret@127.0.0.1:1/optuna",
            r"storage postgresql://me:\*\*\*@127.0.0.1:1/optuna cannot be used",
        ),
        ("sqlite:////nowhere/optuna.db", "unable to open database"),
        ("no such thing", "storage no such thing cannot be used"),
        ("nodatabase://me:secret@host/x", r"storage nodatabase://me:\*\*\*@host/x cannot be used"),
    ],
)
def test_a_storage_that_cannot_be_used_is_told_without_its_password(study, uri, told):
    with pytest.raises(UserError, match=told) as error:
        Search(Plan("lost", "train-modified", VALID, "val_accuracy"), uri, 5, 0)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
