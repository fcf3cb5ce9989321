"""The model registry in a real MLflow store: versions by weights, and a champion that only a better one replaces."""

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_image

from tinyres.cli.main import main
from tinyres.cli.promotion import Verdict, promote
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.evaluation.predictions import Predictions, read_predictions, write_predictions
from tinyres.evaluation.registry import TEST_IMAGES, TEST_SIZE, register_models, registered_name
from tinyres.models import build, save_model
from tinyres.tracking.store import WEIGHTS, Store

ROOT = Path(__file__).resolve().parents[1]
NAME = "some-net"
CLASSES = ["cat", "dog"]
IMAGES = 200


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study without a store yet, as the working folder."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def root(study: Path, empty_store: Path) -> Path:
    """The same with an empty store."""
    shutil.copyfile(empty_store, study / "mlflow.db")
    return study


def train(seed: int, name: str = "net", experiment: str = "some") -> str:
    """A model folder with random weights and the run that trained it."""
    spec = {"architecture": "cnn", "stem": None, "standardise": False}
    description = ModelDescription(name, spec, CLASSES, (8, 8), [0.0] * 3, [1.0] * 3, {})
    torch.manual_seed(seed)
    folder = Path("models") / name
    save_model(folder, build(description), description)
    store = Store.open(experiment)
    tags = {WEIGHTS: weights_hash(folder), "tinyres.data": "data", "dvc.experiment": f"exp-{seed}"}
    run_id = store.start_training_run(name, f"{name}-{seed}", {"seed": seed}, tags)
    store.log_model(run_id, folder)
    store.finish(run_id)
    return run_id


def evaluate(
    run_id: str,
    right: range,
    name: str = "net",
    experiment: str = "some",
    images: str = "test",
    labels: int = 2,
    size: int | None = None,
) -> str:
    """Add the answers of a network that is right about the images in `right`, and register it; returns the run."""
    store = Store.open(experiment)
    actual = np.arange(IMAGES) % labels
    predicted = np.where(np.isin(np.arange(IMAGES), right), actual, 1 - actual % 2)
    file = Path(f"data/predictions_{name}.csv")
    write_predictions(file, Predictions(actual, predicted, np.full(IMAGES, 0.75)))
    store.log_files(run_id, [file], "evaluate")
    store.log_final(run_id, {}, {TEST_IMAGES: images} | ({TEST_SIZE: str(size)} if size else {}))
    register_models(experiment, [name])
    return run_id


def versions(name: str = NAME) -> list[tuple[str, str]]:
    """Number and run of every version of a name, oldest first."""
    found = Store.open("some").client.search_model_versions(f"name = '{name}'")
    return sorted((str(version.version), version.run_id) for version in found)


def champions() -> dict[str, str]:
    """The version that each alias points at."""
    aliases = Store.open("some").client.get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in aliases.items()}


def champion() -> str:
    return champions()["champion"]


def test_the_first_version_is_the_champion_and_the_second_is_not(root):
    one = evaluate(train(1), range(100))
    two = evaluate(train(2), range(150))
    assert versions() == [("1", one), ("2", two)]
    assert champion() == "1"


def test_a_version_leads_back_to_its_run(root):
    run_id = evaluate(train(1), range(100))
    tags = Store.open("some").client.get_model_version(NAME, "1").tags
    assert tags == {
        "tinyres.run": run_id,
        "tinyres.weights": weights_hash("models/net"),
        "tinyres.data": "data",
        "tinyres.test_images": "test",
        "dvc.experiment": "exp-1",
    }


def test_a_name_and_its_version_say_what_they_are(root):
    run_id, store = train(1), Store.open("some")
    store.client.set_tag(run_id, "mlflow.note.content", "**net**, trained on two classes.")
    store.log_final(run_id, {"test_accuracy": 0.7019}, {})
    evaluate(run_id, range(100), size=10_000)
    told = "**net**, trained on two classes. Test accuracy 70.19 % on 10,000 images."
    assert store.client.get_model_version(NAME, "1").description == told
    assert f"models:/{NAME}@champion" in store.client.get_registered_model(NAME).description


def test_the_same_weights_are_one_version(root):
    run_id = evaluate(train(1), range(100))
    evaluate(run_id, range(100))
    again = evaluate(train(1), range(100))
    assert again != run_id, "trained twice, to the same bytes"
    assert versions() == [("1", run_id)]
    assert promote(again) == Verdict(False, "some-net: version 1 is the champion already.")


def test_experiments_with_a_model_of_the_same_name_have_names_of_their_own(root):
    one = evaluate(train(1), range(100))
    two = evaluate(train(1, experiment="other/one: 'it'"), range(100), experiment="other/one: 'it'")
    assert (versions("some-net"), versions("other-one-it--net")) == ([("1", one)], [("1", two)])


@given(st.text(min_size=1), st.from_regex(r"[a-z_]+", fullmatch=True))
def test_every_name_can_be_used_in_an_address(experiment, model):
    name = registered_name(experiment, model)
    assert name.endswith(f"-{model}")
    assert not set(name) & set("/:@'\" ")


def test_a_run_that_lost_its_model_gets_it_again(root):
    run_id = train(1)
    store = Store.open("some")
    (logged,) = store.client.search_logged_models([store.experiment_id])
    store.client.delete_logged_model(logged.model_id)
    evaluate(run_id, range(100))
    assert versions() == [("1", run_id)]


def test_a_better_one_takes_the_place(root):
    evaluate(train(1), range(100))
    better = evaluate(train(2), range(120))
    verdict = promote(better)
    assert verdict.moved
    # 20 of 200 images gained, none lost: the interval is that of a share of 0.1 over 200 images
    low, high = np.quantile(np.random.default_rng(1).binomial(IMAGES, 0.1, 10**6) / IMAGES, [0.025, 0.975])
    assert verdict.sentence == (
        "some-net: version 2 takes the place of version 1 as champion: +10.00 points on the same 200 test images, "
        f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}."
    )
    assert champion() == "2"
    assert promote(better) == Verdict(False, "some-net: version 2 is the champion already.")


@pytest.mark.parametrize(
    ("right", "reason"),
    [
        pytest.param(range(100), "since the interval contains 0: +0.00 points", id="the same answers"),
        pytest.param(range(100, 200), "since the interval contains 0: +0.00 points", id="a tie on other images"),
        pytest.param(range(103), "since the interval contains 0: +1.50 points", id="a gain that may be chance"),
        pytest.param(range(60), "since it is the less accurate one: -20.00 points", id="a loss"),
    ],
)
def test_one_that_is_not_better_beyond_chance_does_not(root, right, reason):
    evaluate(train(1), range(100))
    verdict = promote(evaluate(train(2), right))
    assert not verdict.moved
    assert verdict.sentence.startswith("some-net: version 2 does not take the place of version 1 as champion, ")
    assert reason in verdict.sentence
    assert champion() == "1"


@pytest.mark.parametrize("force", [False, True])
def test_where_the_champion_is_gone_the_next_is_it_at_once(root, force):
    evaluate(train(1), range(100))
    worse = evaluate(train(2), range(60))
    for each in ("champion", "champion-test"):
        Store.open("some").client.delete_registered_model_alias(NAME, each)
    assert promote(worse, force) == Verdict(True, "some-net: version 2 is the champion; there was none.")
    assert champions() == {"champion": "2", "champion-test": "2"}


def test_the_champion_on_its_test_images_takes_its_name_where_that_has_none(root):
    """As after somebody removed the alias in the UI."""
    best = evaluate(train(1), range(100))
    Store.open("some").client.delete_registered_model_alias(NAME, "champion")
    assert promote(best) == Verdict(True, "some-net: version 1 is the champion; there was none.")
    assert champions() == {"champion": "1", "champion-test": "1"}


def test_answers_for_different_images_are_not_compared(root):
    first = evaluate(train(1), range(100))
    second = evaluate(train(2), range(200), labels=1)
    with pytest.raises(UserError, match=f"Run {second} and run {first}, .*tested on different images"):
        promote(second)
    assert champion() == "1"


def test_a_toy_run_gives_way_to_the_first_run_on_more_images(root):
    """A study tried on a few classes first, then in full, then tried again."""
    toy = evaluate(train(1), range(200), images="toytoytoy", size=50)
    assert champions() == {"champion": "1", "champion-toytoyto": "1"}
    full = evaluate(train(2), range(100), images="full", size=200)
    assert champions() == {"champion": "2", "champion-full": "2", "champion-toytoyto": "1"}
    better_toy = evaluate(train(3), range(200), images="toytoytoy", size=50)
    verdict = promote(better_toy)
    assert "does not take the place of version 1 as champion, since the interval contains 0" in verdict.sentence
    assert champion() == "2", "no toy run takes the name, however right it is"
    assert promote(toy) == Verdict(
        False,
        "some-net: version 1 is the champion already on its test images; that of the name is version 2, which was "
        "tested on others and cannot be compared with it (`tinyres promote --force` takes its place).",
    )
    assert not promote(full).moved
    better = evaluate(train(4), range(150), images="full", size=200)
    assert promote(better).moved
    assert champions() == {"champion": "4", "champion-full": "4", "champion-toytoyto": "1"}


def test_where_the_champion_on_some_images_is_gone_the_next_takes_its_name_too_if_these_are_more(root):
    toy = evaluate(train(1), range(100), images="toy", size=50)
    full = evaluate(train(2), range(100), images="full", size=200)
    client = Store.open("some").client
    client.set_registered_model_alias(NAME, "champion", "1")
    for each in ("champion-full", "champion-toy"):
        client.delete_registered_model_alias(NAME, each)
    assert promote(full) == Verdict(
        True, "some-net: version 2 is the champion: it was tested on more images than version 1."
    )
    assert champions() == {"champion": "2", "champion-full": "2"}
    assert promote(toy) == Verdict(
        True,
        "some-net: version 1 is the champion on its test images; that of the name is version 2, which was tested on "
        "others and cannot be compared with it (`tinyres promote --force` takes its place).",
    )
    assert champions() == {"champion": "2", "champion-full": "2", "champion-toy": "1"}


def test_the_tags_of_a_version_are_those_of_its_latest_evaluation(root):
    """As after pictures were added to the test images: the same training gives the same weights."""
    run_id = evaluate(train(1), range(200), images="few", size=50)
    evaluate(run_id, range(100), images="more", size=200)
    tags = Store.open("some").client.get_model_version(NAME, "1").tags
    assert (tags[TEST_IMAGES], tags[TEST_SIZE]) == ("more", "200")


def test_the_same_weights_on_other_images_are_the_champion_on_those_and_no_longer_on_the_first(root):
    """As after pictures were added to the test images: the answers for the first ones are gone from the run."""
    run_id = evaluate(train(1), range(100), images="few", size=50)
    evaluate(run_id, range(100), images="more", size=200)
    assert champions() == {"champion": "1", "champion-few": "1", "champion-more": "1"}
    evaluate(train(2), range(60), images="few", size=50)
    assert champions() == {"champion": "1", "champion-few": "2", "champion-more": "1"}
    better = evaluate(train(3), range(90), images="few", size=50)
    assert "takes the place of version 2 as champion" in promote(better).sentence


def test_runs_on_as_many_other_images_have_a_champion_of_their_own_and_a_way_out(root):
    evaluate(train(1), range(100))
    other = evaluate(train(2), range(150), images="other")
    assert champions() == {"champion": "1", "champion-test": "1", "champion-other": "2"}
    verdict = promote(other, force=True)
    assert verdict == Verdict(
        True, "some-net: version 2 takes the place of version 1 as champion, without a comparison."
    )
    assert champions() == {"champion": "2", "champion-test": "1", "champion-other": "2"}
    assert not promote(other, force=True).moved


def test_a_champion_of_an_earlier_version_stays_and_is_compared_with(root):
    """It has the plain alias alone, and nothing says how many images it was tested on."""
    evaluate(train(1), range(100))
    client = Store.open("some").client
    client.delete_registered_model_alias(NAME, "champion-test")
    toy = evaluate(train(2), range(200), images="toy", size=50)
    assert champions() == {"champion": "1", "champion-toy": "2"}
    assert not promote(toy).moved
    verdict = promote(evaluate(train(3), range(150)))
    assert "takes the place of version 1 as champion: +25.00 points" in verdict.sentence
    assert champions() == {"champion": "3", "champion-test": "3", "champion-toy": "2"}


def test_without_a_store_there_is_nothing_to_promote(study):
    with pytest.raises(UserError, match=r"There is no MLflow store at .*/mlflow\.db; run `dvc repro` first"):
        promote("0" * 32)
    assert list(study.iterdir()) == []


def test_what_is_not_there_is_told_in_one_sentence(root):
    run_id = train(1)
    with pytest.raises(UserError, match="has no training run '0000"):
        promote("0" * 32)
    with pytest.raises(UserError, match=f"Run {run_id} has no version in the registry"):
        promote(run_id)
    evaluate(run_id, range(100))
    silent = train(2)
    register_models("some", ["net"])
    with pytest.raises(UserError, match=rf"Run {silent} holds no evaluate/predictions_net\.csv; `dvc repro"):
        promote(silent)
    foreign = Store.open("some").client.create_run(Store.open("some").experiment_id).info.run_id
    with pytest.raises(UserError, match=f"has no training run '{foreign}'"):
        promote(foreign)
    assert champion() == "1"


def test_a_store_that_is_not_there_is_in_no_ones_way(root, monkeypatch, capsys):
    train(1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    capsys.readouterr()
    register_models("some", ["net"])
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(
        "warning: MLflow did not take the versions of the models: MLflow at http://127.0.0.1:9 cannot be reached"
    )
    with pytest.raises(UserError, match=r"MLflow at http://127.0.0.1:9 cannot be reached; see that it runs"):
        promote("0" * 32)


@pytest.fixture
def tinyres(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str]]:
    """`tinyres …`: exit status, or the sentence that Python ends with, and stdout."""

    def run(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["tinyres", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    return run


def test_the_command_ends_with_what_became_of_it(root, tinyres):
    first = evaluate(train(1), range(100))
    second = evaluate(train(2), range(150))
    assert tinyres("promote", f"runs:/{first}") == (3, "some-net: version 1 is the champion already.\n")
    status, out = tinyres("promote", second)
    assert (status, out.count("\n")) == (0, 1)
    status, out = tinyres("promote", first)
    assert (status, out.count("\n")) == (3, 1)
    assert tinyres("promote", "nothing")[0].startswith("error: MLflow at sqlite:///")


def test_predict_takes_the_champion(root, tinyres):
    Image.fromarray(load_sample_image("flower.jpg")[:64, :64]).save("image.png")
    answers = []
    for seed, right in ((1, range(100)), (2, range(150))):
        run_id = evaluate(train(seed), right)
        answers.append(tinyres("predict", "models/net", "image.png"))
        promote(run_id)
        assert tinyres("predict", f"models:/{NAME}@champion", "image.png") == answers[-1]
    assert answers[0] != answers[1]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.floats(0, 1)), min_size=1, max_size=50),
)
def test_predictions_come_back_as_they_were_written(tmp_path_factory, rows):
    labels, predicted, probability = (np.array(column) for column in zip(*rows, strict=True))
    file = tmp_path_factory.mktemp("predictions") / "predictions.csv"
    write_predictions(file, Predictions(labels, predicted, probability))
    read = read_predictions(file)
    assert np.array_equal(read.labels, labels)
    assert np.array_equal(read.predicted, predicted)
    assert np.allclose(read.probability, probability, rtol=1e-5, atol=0)
    assert np.array_equal(read.correct, labels == predicted)
    assert len(list(csv.DictReader(file.read_text().splitlines()))) == len(rows)


@pytest.mark.parametrize(
    "text", ["", "label,predicted,probability\n", "a,b,c\n1,2,3\n", "label,predicted,probability\n1,2\n"]
)
def test_a_damaged_file_of_predictions_is_refused(tmp_path, text):
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(UserError, match="holds no predictions"):
        read_predictions(tmp_path / "predictions.csv")


GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("studies/*/dvc.yaml"))]
EVALUATED = [graph for graph in GRAPHS if "evaluate" in yaml.safe_load(graph.read_text())["stages"]]


@pytest.mark.parametrize("graph", EVALUATED, ids=[graph.parent.name for graph in EVALUATED])
def test_dvc_names_the_same_models(graph):
    content = yaml.safe_load(graph.read_text())
    experiment = yaml.safe_load((graph.parent / "params.yaml").read_text())["tracking"]["experiment"]
    trained = [name.removeprefix("train-") for name in content["stages"] if name.startswith("train-")]
    assert {name: each["path"] for name, each in content["artifacts"].items()} == {
        registered_name(experiment, model): f"models/{model}" for model in trained
    }
    assert {each["type"] for each in content["artifacts"].values()} == {"model"}
