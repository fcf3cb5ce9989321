"""Where the MLflow store is, in whatever folder; and which of several evaluations it shows."""

import math
import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking._tracking_service import utils
from PIL import Image
from sqlalchemy import make_url

from tinyres.evaluation.comparison import EVALUATION, evaluation_tag, latest_comparison
from tinyres.tracking import store as store_module
from tinyres.tracking.address import own_uri, sqlite_file, sqlite_uri, tracking_uri
from tinyres.tracking.recording import Recording, Results
from tinyres.tracking.store import WEIGHTS, Store, connect

NAMES = ["plain", "a b", "a%20b", "a%2Fb", "a?b", "a#b", "größe", "中文", "a'b", 'a"b', "a&b=c", "a;b", "a+b", "a@b:c",
         "a\\b", "%41%", "?x=1#%20 é"]  # fmt: skip


def repository_at(folder: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty store, as the one in use."""
    folder.mkdir(parents=True)
    shutil.copyfile(empty_store, folder / "mlflow.db")
    use(folder, monkeypatch)
    return folder


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)


@pytest.fixture
def here(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return repository_at(tmp_path / "here", empty_store, monkeypatch)


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///./mlflow.db", "mlflow.db"),
        ("sqlite:///runs/../mlflow.db", "mlflow.db"),
        ("sqlite:///runs/all.db", "runs/all.db"),
        ("sqlite:///../all.db", "../all.db"),
        ("sqlite+pysqlite:///my%20runs.db", "my runs.db"),
    ],
)
def test_a_relative_store_is_the_repositorys_wherever_the_process_works(tmp_path, monkeypatch, uri, file):
    use(tmp_path / "repository", monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    found = sqlite_file(tracking_uri())
    assert found == Path(os.path.normpath(tmp_path / "repository" / file))
    assert (tracking_uri() == own_uri()) == (file == "mlflow.db")


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "postgresql://me@host/runs", "sqlite:////abs/a.db", "sqlite://", "sqlite:///:memory:"]
)
def test_other_stores_are_what_they_are_called(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert tracking_uri() == uri


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_sqlalchemy_opens_the_file_that_is_meant(name):
    file = Path(os.path.normpath(Path("/folder") / name.replace("/", "%")))
    uri = sqlite_uri(file)
    assert make_url(uri.replace("\n", "%0A")).database == str(file) or "\n" in name
    assert sqlite_file(uri) == file
    assert unquote(uri.partition(":///")[2]) == str(file)


@pytest.mark.parametrize("name", NAMES)
def test_a_repository_has_its_store_and_its_artifacts_in_any_folder(tmp_path, empty_store, monkeypatch, name):
    root = repository_at(tmp_path / name, empty_store, monkeypatch)
    before = {file for file in tmp_path.rglob("*") if root not in (file, *file.parents)}
    store = Store.open("some")
    run_id = store.start_training_run("net", "key", {}, {})
    store.log_texts(run_id, {"lineage/params.yaml": "seed: 0"})
    kept = root.glob(f"mlartifacts/some/{run_id}/artifacts/lineage/params.yaml")
    assert [file.read_text() for file in kept] == ["seed: 0"]
    assert Path(store.client.download_artifacts(run_id, "lineage/params.yaml")).read_text() == "seed: 0"
    assert [run.info.run_id for run in Store.open("some", create=False).runs_with({})] == [run_id]
    assert {file for file in tmp_path.rglob("*") if root not in (file, *file.parents)} == before


@pytest.mark.parametrize("kept", [False, True], ids=["moved", "copied"])
@pytest.mark.parametrize("name", ["there", "a%20b é?"])
def test_artifacts_are_found_and_written_where_the_repository_is_now(here, tmp_path, monkeypatch, name, kept):
    names = ("some", "a/b: 'c'")
    runs = {}
    for experiment in names:
        store = Store.open(experiment)
        runs[experiment] = store.start_training_run("net", "key", {}, {})
        store.log_texts(runs[experiment], {"early.txt": "early"})
        model = store.client.create_logged_model(store.experiment_id, "model", runs[experiment])
        registered = f"net of {runs[experiment]}"
        store.client.create_registered_model(registered)
        store.client.create_model_version(registered, model.artifact_location, runs[experiment])
    other_place = (tmp_path / "another place/mlartifacts").as_uri()
    store.client.create_experiment("kept elsewhere", other_place)
    there = tmp_path / name
    (shutil.copytree if kept else shutil.move)(here, there)
    listed = sorted(file for file in here.rglob("*") if file.is_file()) if kept else []
    use(there, monkeypatch)
    utils._artifact_repos_cache.clear()  # MLflow's memory of this process; who works there is another one
    for experiment, run_id in runs.items():
        store = Store.open(experiment)
        (early,) = there.glob(f"mlartifacts/**/{run_id}/artifacts/early.txt")
        early.write_text("edited there")
        assert Path(store.client.download_artifacts(run_id, "early.txt")).read_text() == "edited there"
        store.log_texts(run_id, {"late.txt": "late"})
        other = store.start_training_run("net", "another key", {}, {})
        store.log_texts(other, {"new.txt": "new"})
        (model,) = store.client.search_logged_models([store.experiment_id])
        version = store.client.get_model_version(f"net of {run_id}", "1")
        address = store.client.get_model_version_download_uri(version.name, version.version)
        assert model.artifact_location.startswith((there / "mlartifacts").as_uri())
        assert version.source == address == model.artifact_location
        for each, file in ((run_id, "late.txt"), (other, "new.txt")):
            (found,) = there.glob(f"mlartifacts/**/{each}/artifacts/{file}")
            assert Path(store.client.download_artifacts(each, file)).read_text() == found.read_text()
    assert store.client.get_experiment_by_name("kept elsewhere").artifact_location == other_place
    assert here.exists() == kept
    if kept:
        assert [file for file in sorted(here.rglob("*")) if file.is_file()] == listed


def test_another_store_keeps_its_addresses(here, tmp_path, monkeypatch):
    """It is not the repository's, so it did not move with it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/shared.db")
    shutil.copyfile(here / "mlflow.db", tmp_path / "shared.db")
    before = Store.open("some").client.get_experiment_by_name("some").artifact_location
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "other"))
    assert Store.open("some").client.get_experiment_by_name("some").artifact_location == before


def results(at: int, figure: float, tags: dict[str, str] | None = None) -> Recording:
    """What `evaluate` found out about the weights "w"."""
    found = Results(figures={"test_accuracy": figure}, tags=tags or {}, files=[], folder="evaluate")
    return Recording(experiment="some", name="net", key="k", params={"seed": 0}, tags={}, documents={}, history=[],
                     weights="w", run_name="net", started=0, ended=at, results=found)  # fmt: skip


def trained(store: Store) -> str:
    run_id = store.start_training_run("net", "k", {"seed": 0}, {WEIGHTS: "w"})
    store.finish(run_id)
    return run_id


@pytest.mark.parametrize("times", [(1, 2), (2, 1), (1, 1)], ids=["later", "earlier", "the same millisecond"])
@pytest.mark.parametrize("figures", [(0.9, 0.3), (0.3, 0.9), (math.nan, -1.0), (1.0, math.nan)], ids=str)
def test_the_figures_that_were_sent_last_are_the_runs_whatever_the_clocks_say(here, times, figures):
    store = Store.open("some")
    run_id = trained(store)
    for at, figure in zip(times, figures, strict=True):
        results(at, figure).send(store)
    assert store.client.get_run(run_id).data.metrics["final/test_accuracy"] == pytest.approx(figures[1], nan_ok=True)


def test_results_that_come_after_those_of_an_older_version_are_the_newest(here):
    """It logged them all at step 0."""
    store = Store.open("some")
    run_id = trained(store)
    store.client.log_metric(run_id, "final/test_accuracy", 0.9, timestamp=10**13, step=0)
    results(1, 0.3).send(store)
    assert store.client.get_run(run_id).data.metrics["final/test_accuracy"] == 0.3


@pytest.mark.parametrize("figure", [0.9, math.nan])
def test_results_sent_twice_are_added_once_and_do_not_come_back(here, figure):
    """As after a process that was killed between sending a recording and removing it."""
    store = Store.open("some")
    run_id = trained(store)
    first, second = results(5, figure, {"which": "first"}), results(5, 0.3, {"which": "second"})
    for each in (first, second, first):
        each.send(store)
    run = store.client.get_run(run_id)
    assert (run.data.metrics["final/test_accuracy"], run.data.tags["which"]) == (0.3, "second")
    assert len(store.client.get_metric_history(run_id, "final/test_accuracy")) == 2


def test_results_that_share_one_figure_with_those_before_are_others(here):
    store = Store.open("some")
    run_id = trained(store)
    for accuracy in (0.9, 0.3):
        store.log_final(run_id, {"test_loss": 1.5, "test_accuracy": accuracy}, {}, at=5)
    figures = {"final/test_loss": 1.5, "final/test_accuracy": 0.3}
    assert store.client.get_run(run_id).data.metrics == figures


def test_pictures_of_all_runs_have_one_step_and_the_latest_is_the_last_file(here, tmp_path):
    """MLflow shows pictures of one step beside each other, and of several files of a step the last."""
    store = Store.open("some")
    runs = [trained(store), trained(store)]
    for number, run_id in enumerate((*runs, runs[0])):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(tmp_path / "gallery.png")
        store.log_final(run_id, {"test_accuracy": 0.1 * number}, {}, number, "evaluate")
        for _ in range(2):  # the second changes nothing
            store.log_pictures(run_id, {"gallery": tmp_path / "gallery.png"}, "evaluate")
    shown = [pictures_of(store, run_id) for run_id in runs]
    assert [[red for _, red in each] for each in shown] == [[0, 2], [1]]
    assert len({name.split("+timestamp+")[0] for each in shown for name, _ in each}) == 1


def pictures_of(store: Store, run_id: str) -> list[tuple[str, int]]:
    """The picture files of a run by name, and how red each is."""
    files = sorted(file.path for file in store.client.list_artifacts(run_id, "images") if file.path.endswith(".png"))
    return [(file, Image.open(store.client.download_artifacts(run_id, file)).getpixel((0, 0))[0]) for file in files]


def test_the_table_is_of_the_evaluation_that_was_sent_last_whatever_the_clocks_say(here):
    store = Store.open("some")
    for seed, (day, figure) in enumerate([("2031-01-01", 0.9), ("2021-01-01", 0.3)]):
        run_id = store.start_training_run("net", f"k{seed}", {"seed": 0, "lr": seed}, {WEIGHTS: f"w{seed}"})
        tag = evaluation_tag(["net"], None)[EVALUATION].replace('"at": "20', f'"at": "{day}T20')
        results(1, figure, {EVALUATION: tag}).model_copy(update={"weights": f"w{seed}"}).send(store)
        assert run_id
    comparison = latest_comparison("some")
    assert comparison.figures == {"net": {0: {"test_accuracy": 0.3}}}
    assert [names for _, names in comparison.left_out] == [["lr"]]


def test_a_run_on_other_images_is_left_out_and_the_images_are_named_first(here):
    store = Store.open("some")
    for number, (seed, images, data, flip) in enumerate(
        [
            (0, "mammals", "m", 0.5),
            (1, "mammals", "m", 0.0),
            (0, "all", "a2", 0.0),
            (1, "all", "b", 0.0),
            (0, "all", "a", 0),
        ]
    ):
        tags = {"tinyres.test_images": images, "tinyres.data": data} | evaluation_tag(["net"], None)
        run_id = store.start_training_run("net", str(number), {"seed": seed, "flip": float(flip)}, {})
        store.log_final(run_id, {"test_accuracy": number / 10}, tags)
    comparison = latest_comparison("some")
    assert comparison.figures == {"net": {0: {"test_accuracy": 0.4}, 1: {"test_accuracy": 0.3}}}
    assert [names for _, names in comparison.left_out] == [
        ["the training data"],
        ["the test images"],
        ["the test images", "the training data", "flip"],
    ]


def test_more_runs_than_mlflow_hands_out_at_once_are_all_found(here, monkeypatch):
    store = Store.open("some")
    ids = {store.start_training_run("net", str(number), {}, {}) for number in range(5)}
    real = store.client.search_runs
    monkeypatch.setattr(store.client, "search_runs", lambda *a, **k: real(*a, **(k | {"max_results": 2})))
    assert {run.info.run_id for run in store.runs_with({})} == ids


def test_what_only_reads_makes_no_store(tmp_path, monkeypatch):
    use(tmp_path, monkeypatch)
    with pytest.raises(store_module.UserError, match="There is no MLflow store at"):
        connect(create=False)
    assert list(tmp_path.iterdir()) == []
