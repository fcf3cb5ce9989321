"""`tinyres predict`: evaluate's own answers for image files, from a model folder or MLflow, whatever the files are."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from tinyres.cli.main import main
from tinyres.cli.prediction import BATCH_SIZE, predictions
from tinyres.cli.serving import ServedModel, as_stored
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.common.pixels import channels_first
from tinyres.models import build, load_model, save_model
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine
from tinyres.tracking.store import Store

CLASSES = ["apple", "bear", "clock", "dolphin", "elephant", "fox", "girl"]
FLOWER = load_sample_image("flower.jpg")
Answer = tuple[int, str, list[str]]
CPU = Machine(torch.device("cpu"), bfloat16=False, compiles=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    spec = {"architecture": "resnet18", "stem": None, "standardise": True}
    description = ModelDescription("net", spec, CLASSES, (32, 32), [0.5, 0.4, 0.3], [0.2, 0.25, 0.3], {})
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("study") / "models/net"
    save_model(folder, build(description), description)
    return folder


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Twelve pieces of a photograph, uint8 12×32×32×3."""
    return np.stack([FLOWER[top : top + 32, left : left + 32] for top in (0, 150, 300) for left in (0, 150, 300, 450)])


@pytest.fixture(scope="module")
def expected(model: Path, images: np.ndarray) -> np.ndarray:
    """The probabilities of `evaluate`'s own path."""
    classifier, _ = load_model(model)
    return logits_of(classifier, channels_first(images), 250, CPU).softmax(dim=1).numpy()


@pytest.fixture(scope="module")
def files(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The images as files."""
    folder = tmp_path_factory.mktemp("images")
    names = [folder / f"{number}.png" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(name)
    return names


@pytest.fixture(scope="module")
def stored(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store with the model in it, by every name that it has, and a run without one."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = Store.open("some")
        run, empty = (store.start_training_run("net", key, {}, {}) for key in ("one", "two"))
        store.log_model(run, model)
        store.finish(run)
        (logged,) = store.client.search_logged_models([store.experiment_id])
        store.client.create_registered_model("net")
        store.client.create_model_version("net", logged.model_uri, run)
        store.client.set_registered_model_alias("net", "best", "1")
    return {"root": str(root), "run": run, "empty": empty, "model": logged.model_id}


@pytest.fixture
def store(stored: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That store as the one in use."""
    monkeypatch.setenv("DVC_ROOT", stored["root"])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{stored['root']}/mlflow.db")
    return stored


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`tinyres predict …`: exit status, stdout, and the lines of stderr."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["tinyres", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        if isinstance(ended.value.code, str):  # Python prints the sentence and ends with 1
            return 1, told.out, [*told.err.splitlines(), ended.value.code]
        return int(ended.value.code or 0), told.out, told.err.splitlines()

    return run


def test_the_answer_is_evaluates_own(model, files, images, expected):
    answers = list(predictions(ServedModel(model), files))
    assert [answer.file for answer in answers] == files
    for answer, image, probabilities in zip(answers, images, expected, strict=True):
        order = np.argsort(-probabilities)[:5]
        assert [name for name, _ in answer.classes] == [CLASSES[label] for label in order]
        assert [share for _, share in answer.classes] == pytest.approx(probabilities[order], abs=1e-6)
        assert np.array_equal(answer.pixels, image)
        assert (answer.note, answer.error) == (None, None)


def test_a_model_of_few_classes_answers_with_all_of_them(tmp_path, files):
    spec = {"architecture": "cnn", "stem": None, "standardise": False}
    description = ModelDescription("net", spec, ["cat", "dog"], (32, 32), [0.0] * 3, [1.0] * 3, {})
    save_model(tmp_path / "net", build(description), description)
    (answer,) = predictions(ServedModel(tmp_path / "net"), files[:1])
    assert sorted(name for name, _ in answer.classes) == ["cat", "dog"]
    assert sum(share for _, share in answer.classes) == pytest.approx(1)


def test_a_thousand_files_are_read_a_batch_at_a_time(model, images, expected, tmp_path):
    names = [tmp_path / f"{number}.png" for number in range(1000)]
    answers = predictions(ServedModel(model), names)
    for number, name in enumerate(names):
        if number % BATCH_SIZE == 0:  # no file of the next batch is there before the last one was answered
            for each in names[number : number + BATCH_SIZE]:
                Image.fromarray(images[int(each.stem) % 12]).save(each)
        answer = next(answers)
        assert answer.file == name
        assert answer.classes[0][1] == pytest.approx(expected[number % 12].max(), abs=1e-6)
    assert list(answers) == []


def test_text_has_a_line_per_class(model, files, expected, predict):
    status, out, err = predict(model, *files[:2])
    assert (status, err) == (0, [])
    lines = out.splitlines()
    assert [lines[0], lines[6]] == [str(file) for file in files[:2]]
    label = expected[0].argmax()
    assert lines[1].split() == [f"{expected[0][label]:.2%}", CLASSES[label]]
    assert len(lines) == 12


@pytest.fixture
def bad_files(tmp_path: Path) -> list[tuple[Path, str]]:
    """One file of each kind that cannot be read, with what is said of it."""
    whole = tmp_path / "whole.jpg"
    Image.fromarray(FLOWER).save(whole)
    (tmp_path / "corrupt.jpg").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder").mkdir()
    says = {
        "corrupt.jpg": "cannot be read (image file is truncated",
        "text.png": "is no image that can be read",
        "empty.png": "is empty (0 bytes)",
        "missing.png": "There is no file",
        "folder": "is a folder",
    }
    return [(tmp_path / name, words) for name, words in says.items()]


def test_bad_images_are_told_and_the_others_answered(model, files, bad_files, predict):
    given = [each for (bad, _), good in zip(bad_files, files, strict=False) for each in (bad, good)]
    status, out, err = predict(model, *given)
    assert status == 3
    assert len(err) == len(bad_files)
    for line, (file, words) in zip(err, bad_files, strict=True):
        assert line.startswith("error: ")
        assert str(file) in line
        assert words in line
    assert [line for line in out.splitlines() if line.endswith(".png")] == [str(each) for each in files[:5]]


def test_json_has_a_line_per_image_with_the_same_keys(model, files, bad_files, expected, predict, tmp_path):
    frames = [Image.fromarray(FLOWER[:64, at : at + 64]) for at in (0, 64)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    bad = [file for file, _ in bad_files]
    status, out, err = predict("--json", model, files[0], *bad, tmp_path / "moving.gif")
    assert (status, len(err)) == (3, len(bad))
    good, *failed, moving = [json.loads(line) for line in out.splitlines()]
    for each in (good, *failed, moving):
        assert list(each) == ["image", "model", "predictions", "note", "error"]
        assert each["model"] == str(model)
    assert [each["image"] for each in failed] == [str(file) for file in bad]
    assert [f"error: {each['error']}" for each in failed] == err
    assert all(each["predictions"] == [] for each in failed)
    order = np.argsort(-expected[0])[:5]
    assert good["predictions"] == [
        {"class": CLASSES[label], "probability": pytest.approx(expected[0][label], abs=1e-6)} for label in order
    ]
    assert (good["note"], good["error"], moving["note"]) == (None, None, "the first of 2 frames")


def test_a_name_that_is_no_utf8_can_be_told(model, files, predict, tmp_path):
    odd = tmp_path / os.fsdecode(b"odd\xff $x$.png")
    odd.write_bytes(files[0].read_bytes())
    status, out, _ = predict(model, odd, "--plot", tmp_path / "plot.png")
    assert (status, out.splitlines()[0]) == (0, f"{tmp_path}/odd? $x$.png")
    assert (tmp_path / "plot.png").is_file()
    assert json.loads(predict(model, odd, "--json")[1])["image"] == str(odd)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 1), (3, 2), (25, 10)])
def test_a_picture_of_the_first_twenty(model, files, bad_files, predict, tmp_path, count, rows):
    given = [*files, *files, *files][:count]
    assert predict(model, bad_files[0][0], *given, "--plot", tmp_path / "new/plot.png")[0] == 3
    with Image.open(tmp_path / "new/plot.png") as picture:
        height = rows * 1.75 + 0.4
        assert picture.size == ((1 if count == 1 else 2) * 750, int(height * 150))


def test_the_same_picture_has_the_same_bytes(model, files, predict, tmp_path):
    pictures = []
    for name in ("a.png", "b.png"):
        predict(model, *files[:3], "--plot", tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_no_picture_where_no_image_can_be_read(model, bad_files, predict, tmp_path):
    assert predict(model, bad_files[0][0], "--plot", tmp_path / "plot.png")[0] == 3
    assert not (tmp_path / "plot.png").exists()


def test_a_folder_is_not_overwritten_by_a_picture(model, files, predict, tmp_path):
    status, out, err = predict(model, files[0], "--plot", tmp_path)
    assert (status, out) == (1, "")
    assert err == [f"error: --plot {tmp_path} is a folder; name the PNG file to write."]
    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    "name", ["runs:/{run}", "runs:/{run}/model", "models:/{model}", "models:/net/1", "models:/net@best"]
)
def test_a_model_in_mlflow_answers_like_its_folder(model, store, files, predict, name):
    uri = name.format(**store)
    from_mlflow, from_folder = (predict("--json", each, *files) for each in (uri, model))
    assert from_mlflow[0] == 0
    assert from_mlflow[1].replace(uri, str(model)) == from_folder[1]


def test_a_wrong_folder_names_those_that_are_there(model, files, predict, monkeypatch):
    monkeypatch.chdir(model.parents[1])
    assert predict("models/nte", files[0]) == (1, "", [
        "error: models/nte is no folder of a trained model; here are models/net, or name one in MLflow: runs:/RUN_ID."
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere", "nowhere is no folder of a trained model; train one with `dvc repro`, or name one in MLflow: "),
        ("runs:/deadbeef", "MLflow at sqlite:///{root}/mlflow.db has no runs:/deadbeef; `make ui` shows what it has."),
        ("runs:/{empty}", "runs:/{empty} holds no model; name a run that finished its training."),
        ("models:/other/1", "MLflow at sqlite:///{root}/mlflow.db has no models:/other/1; `make ui` shows what "),
        ("models:/net/7", "MLflow at sqlite:///{root}/mlflow.db has no models:/net/7; `make ui` shows what it has."),
        ("models:/net@worst", "MLflow at sqlite:///{root}/mlflow.db has no models:/net@worst; `make ui` shows what "),
        ("models:/m-0000", "MLflow at sqlite:///{root}/mlflow.db has no models:/m-0000; "),
        ("runs:/", "'runs:/' names no model; write runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS."),
        ("models:net", "'models:net' names no model; write "),
    ],
)
def test_a_model_that_is_not_there(store, files, predict, name, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = predict(name.format(**store), files[0])
    assert (status, out, len(err)) == (1, "", 1)
    assert err[0].startswith("error: " + sentence.format(**store))
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_something_else(store, files, predict):
    class Constant(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run(run_id=store["empty"]):
        mlflow.pyfunc.log_model(name="other", python_model=Constant(), pip_requirements=[])
    status, _, err = predict(f"runs:/{store['empty']}/other", files[0])
    assert status == 1
    assert err[-1].endswith("/other holds no model of tinyres; name a run that finished its training.")


def test_a_store_that_is_not_there(files, predict, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    status, _, (sentence,) = predict("runs:/abc", files[0])
    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert sentence.startswith(f"error: There is no MLflow store at sqlite:///{tmp_path}/mlflow.db; run `dvc repro` ")


def test_a_store_that_cannot_be_reached(files, predict, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    status, _, (sentence,) = predict("runs:/abc", files[0])
    assert status == 1
    assert sentence == "error: MLflow at http://127.0.0.1:9 cannot be reached; see that it runs."


def test_a_store_that_is_none(files, predict, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/notes.txt")
    status, _, err = predict("runs:/abc", files[0])
    assert status == 1
    store, remedy = f"sqlite:///{tmp_path}/notes.txt", "name another file in MLFLOW_TRACKING_URI"
    assert err[-1] == f"error: MLflow at {store} is no SQLite database; {remedy}."
    assert (tmp_path / "notes.txt").read_text() == "no database"


def test_damaged_weights(model, files, predict, tmp_path):
    (tmp_path / "model.json").write_bytes((model / "model.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:1000])
    status, _, (sentence,) = predict(tmp_path, files[0])
    assert status == 1
    assert sentence.startswith(f"error: {tmp_path}/model.safetensors cannot be loaded (")


def test_help_imports_nothing_slow():
    command = [sys.executable, "-X", "importtime", "-m", "tinyres", "predict", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    assert not imported & {"torch", "mlflow", "PIL", "matplotlib", "sklearn"}
    assert "Exit status: 0 if every image was read; 3 if at least one was not" in " ".join(told.stdout.split())


def test_the_mlflow_model_has_a_signature_and_the_classes(store):
    loaded = mlflow.pyfunc.load_model(f"runs:/{store['run']}/model")
    (taken,), (given,) = loaded.metadata.signature.inputs.inputs, loaded.metadata.signature.outputs.inputs
    assert (taken.type, taken.shape) == (np.dtype(object), (-1,)), "MLflow casts nothing; the model checks by itself"
    assert (given.type, given.shape) == (np.float32, (-1, len(CLASSES)))
    assert loaded.metadata.metadata["classes"] == CLASSES


def test_the_mlflow_model_gives_evaluates_own_probabilities(store, images, expected):
    given = mlflow.pyfunc.load_model(f"runs:/{store['run']}/model").predict(images)
    assert (given.dtype, given.shape) == (np.float32, expected.shape)
    assert np.array_equal(given.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(given - expected).max() <= 1e-6


def test_the_mlflow_model_refuses_other_images(store):
    loaded = mlflow.pyfunc.load_model(f"runs:/{store['run']}/model")
    for wrong in (np.zeros((2, 16, 16, 3), np.uint8), np.zeros((2, 32, 32, 3), np.float32)):
        with pytest.raises(mlflow.MlflowException):
            loaded.predict(wrong)


def nested(value: object) -> np.ndarray:
    """One image as MLflow's server makes an array of JSON, with one unusual value."""
    image = np.zeros((1, 32, 32, 3), dtype=object)
    image[0, 1, 2, 0] = value
    return image


@pytest.mark.parametrize("value", [0.5, 7.0, True, "7", None, -1, 256, float("nan"), [1]], ids=repr)
def test_what_is_no_whole_number_from_0_to_255_is_refused(value):
    with pytest.raises(UserError, match="holds something else than whole numbers from 0 to 255; give pixels as stored"):
        as_stored(nested(value), (32, 32))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.bool_, np.complex64])
def test_arrays_of_other_types_are_refused_whatever_they_hold(kind):
    with pytest.raises(UserError, match="whole numbers"):
        as_stored(np.zeros((1, 32, 32, 3), kind), (32, 32))


@pytest.mark.parametrize("value", [-1, 256])
def test_arrays_of_larger_types_are_not_cut_to_a_byte(value):
    with pytest.raises(UserError, match="whole numbers from 0 to 255"):
        as_stored(np.full((1, 32, 32, 3), value, np.int16), (32, 32))


@pytest.mark.parametrize("shape", [(1, 16, 16, 3), (32, 32, 3), (1, 32, 32), (1, 3, 32, 32), (0,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UserError, match="give N×32×32×3, a list of RGB images"):
        as_stored(np.zeros(shape, np.uint8), (32, 32))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint64, object])
def test_whole_numbers_of_every_type_are_the_pixels(images, kind):
    stored_pixels = as_stored(images.astype(kind), (32, 32))
    assert stored_pixels.dtype == np.uint8
    assert np.array_equal(stored_pixels, images)


def test_the_mlflow_model_is_plain_files_with_one_copy_of_the_weights(store, model):
    place = Path(mlflow.artifacts.download_artifacts(f"models:/{store['model']}"))
    stored_files = [file for file in place.rglob("*") if file.is_file()]
    assert {file.suffix for file in stored_files} <= {".py", ".cpp", ".json", ".safetensors", ".yaml", ".txt", ""}
    large = [file for file in stored_files if file.stat().st_size > 100_000]
    assert [file.relative_to(place) for file in large] == [Path("data/net/model.safetensors")]
    assert large[0].read_bytes() == (model / "model.safetensors").read_bytes()
    for file in stored_files:
        if file != large[0]:
            file.read_text(encoding="utf-8")  # nothing else is binary


def test_loading_unpickles_nothing(store, images, expected, monkeypatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("something was unpickled")

    for module in (pickle, pickle._Unpickler, torch, torch.export, torch.jit):
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(module, name, refuse, raising=False)
    with pytest.raises(AssertionError, match="unpickled"):
        pickle.loads(pickle.dumps(1))
    given = mlflow.pyfunc.load_model(f"runs:/{store['run']}/model").predict(images)
    assert np.abs(given - expected).max() <= 1e-6


def test_the_mlflow_model_brings_its_own_code(store, images, expected, tmp_path):
    place = mlflow.artifacts.download_artifacts(f"models:/{store['model']}", dst_path=str(tmp_path / "model"))
    np.save(tmp_path / "images.npy", images)
    program = (
        "import mlflow, numpy, sys\n"
        "given = mlflow.pyfunc.load_model(sys.argv[1]).predict(numpy.load('images.npy'))\n"
        "numpy.save('given.npy', given)\n"
        "print(sys.modules['tinyres'].__file__)\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "MLFLOW_"))}
    told = subprocess.run(
        [sys.executable, "-c", program, place], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(place)
    assert np.abs(np.load(tmp_path / "given.npy") - expected).max() <= 1e-6


@pytest.fixture
def server(store: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` on the model, and its address; stopped whatever happens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"runs:/{store['run']}/model"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the server starts others by their names
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{store['root']}/mlflow.db", "PATH": path}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, env=environment, cwd=tmp_path, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ping", process, tmp_path / "server.log")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(address, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer:\n{log.read_text()}")


def test_a_served_model_answers_with_evaluates_own_probabilities(server, images, expected):
    answer = requests.post(f"{server}/invocations", json={"inputs": images.tolist()}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert np.abs(np.array(answer.json()["predictions"]) - expected).max() <= 1e-6
    scaled = (images[:1] / 255).tolist()
    for wrong in (
        [[[[1, 2, 3]]]],
        "no image",
        [],
        {},
        None,
        (images[:1] + 300.0).tolist(),
        scaled,
        images[:1].astype(float).tolist(),
        images[:1].astype(str).tolist(),
        nested(True).tolist(),
    ):
        refused = requests.post(f"{server}/invocations", json={"inputs": wrong}, timeout=120)
        assert refused.status_code == 400, (str(wrong)[:80], refused.text[-500:])
    told = requests.post(f"{server}/invocations", json={"inputs": scaled}, timeout=120).json()["message"]
    assert told.endswith("The input holds something else than whole numbers from 0 to 255; give pixels as stored.")
