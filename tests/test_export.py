"""`tinyres export`: one ONNX file that answers as the model does, proven on the test images, or no file at all."""

import ast
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from PIL import ExifTags, Image
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor, nn

from networks import MODIFIED, STANDARD, model
from tinyres.cli.commands import export as command
from tinyres.cli.export import latency
from tinyres.cli.export.exporting import copy_card
from tinyres.cli.export.latency import interleaved
from tinyres.cli.export.onnx_file import OPSET, export_graph, write_graph
from tinyres.cli.export.quantisation import calibration_images
from tinyres.cli.export.verification import (
    TOLERANCE,
    agreement,
    in_batches,
    onnx_network,
    refuse_other_answers,
    torch_network,
)
from tinyres.cli.main import main
from tinyres.common.dataset import Description, Split, channel_statistics, read_split, write_dataset
from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.common.pixels import channels_first, in_unit_range
from tinyres.evaluation.card_folder import write_temperature
from tinyres.evaluation.registry import register_models
from tinyres.models import Classifier, build, describe, load_model, save_model
from tinyres.tracking.store import WEIGHTS, Store

ROOT = Path(__file__).resolve().parents[1]
CLASSES = [f"digit {number}" for number in range(10)]
TESTED = 300
TEMPERATURE = 1.5


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder: digits as 32×32 images, and the report's CNN, trained for a moment, with a temperature."""
    folder = tmp_path_factory.mktemp("study")
    grey, labels = load_digits(return_X_y=True)
    images = np.kron(grey.reshape(-1, 8, 8, 1) * (255 / 16), np.ones((1, 4, 4, 3))).round().astype(np.uint8)
    whole = Split(images, labels.astype(np.int64))
    rows = np.arange(len(whole))
    train, test = whole.take(rows[TESTED:]), whole.take(rows[:TESTED])
    mean, std = channel_statistics(train.images)
    sizes = {"train": len(train), "test": len(test)}
    data = Description("digits", CLASSES, None, (32, 32), sizes, None, mean, std)
    write_dataset(folder / "data/subset", data, {"train": train, "test": test})
    description = describe("cnn", model("cnn"), data, {"data": hash_files([folder / "data/subset/dataset.json"])})
    torch.manual_seed(0)
    classifier = build(description)
    fit(classifier, train, steps=60)
    save_model(folder / "models/cnn", classifier, description)
    write_temperature(folder / "models/cnn", TEMPERATURE)
    return folder


def fit(classifier: Classifier, train: Split, steps: int) -> None:
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3)
    pixels, labels = channels_first(train.images), torch.from_numpy(train.labels)
    for rows in torch.randint(len(labels), (steps, 64)):
        loss = nn.functional.cross_entropy(classifier(in_unit_range(pixels[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="module")
def test(study: Path) -> Split:
    return read_split(study / "data/subset/test")


class Exported(NamedTuple):
    """What two commands left and said: one in float32, one in 8 bits."""

    folder: Path
    store: Store
    run: str
    printed: str


@pytest.fixture(scope="module")
def exported(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The CNN in float32 and in 8 bits, with a run of the model in the store."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(latency, "SECONDS", 0)  # the fewest rounds
        store = Store.open("some")
        run = store.start_training_run("cnn", "key", {}, {WEIGHTS: weights_hash(study / "models/cnn")})
        for options in (["--output", "cnn.onnx"], ["--int8", "--max-loss", "5"]):
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["tinyres", "export", str(study / "models/cnn"), *options])
            main()
    return Exported(folder, store, run, printed.getvalue())


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`tinyres export …` in an empty folder, where it fails: its sentence."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["tinyres", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, str), "exit status 1, with a sentence"
        assert list(tmp_path.iterdir()) == [], "nothing is left"
        return ended.value.code

    return run


def network(name: str) -> tuple[Classifier, ModelDescription]:
    """A network with random weights, whose batch norms know its activations."""
    architecture, stem = {"cnn": ("cnn", None), "baseline": ("resnet18", STANDARD), "modified": ("resnet18", MODIFIED)}[
        name
    ]
    spec = model(architecture, stem=stem).model_dump()
    description = ModelDescription(name, spec, CLASSES, (32, 32), [0.5, 0.4, 0.3], [0.2, 0.25, 0.3], {})
    torch.manual_seed(0)
    classifier = build(description).train()
    for layer in classifier.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # so that the statistics are those of what follows
    with torch.no_grad():
        classifier(in_unit_range(channels_first(pieces(32))))
    return classifier.eval(), description


def pieces(count: int) -> np.ndarray:
    """Pieces of a photograph, uint8 N×32×32×3."""
    flower = load_sample_image("flower.jpg")
    corners = np.random.default_rng(0).integers(0, (427 - 32, 640 - 32), size=(count, 2))
    return np.stack([flower[top : top + 32, left : left + 32] for top, left in corners])


# the graph


@pytest.mark.parametrize("name", ["cnn", "baseline", "modified"])
def test_the_file_answers_as_the_network_does_for_any_number_of_images(name, tmp_path):
    classifier, description = network(name)
    images = pieces(7)
    expected = torch_network(classifier, 1.0)(images)
    file = write_graph(export_graph(classifier, description), tmp_path / "net.onnx")
    assert np.ptp(expected.argmax(axis=1)), "not one answer for all"
    answer = onnx_network(file)
    for count in (1, 2, 7):
        np.testing.assert_allclose(answer(images[:count]), expected[:count], rtol=0, atol=TOLERANCE)
    assert [each.name for each in tmp_path.iterdir()] == ["net.onnx"], "one file"
    assert str(ROOT / "src").encode() not in file.read_bytes()
    graph = onnx.load(file)
    assert [(each.domain, each.version) for each in graph.opset_import] == [("", OPSET)]
    assert not {"Loop", "Pad"} & {node.op_type for node in graph.graph.node}


def test_the_temperature_divides_the_logits(tmp_path):
    classifier, description = network("cnn")
    images = pieces(7)
    with torch.no_grad():
        logits = classifier(in_unit_range(channels_first(images)))
    file = write_graph(export_graph(classifier, description, temperature=2.5), tmp_path / "net.onnx")
    expected = (logits / 2.5).softmax(dim=1).numpy()
    np.testing.assert_allclose(onnx_network(file)(images), expected, rtol=0, atol=TOLERANCE)


class DependsOnTheImages(nn.Module):
    """A network that no graph can hold, since what it does depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        features = pixels.mean(dim=(2, 3))
        return self.layer(features) if features.sum() > 0 else self.layer(-features)


def test_a_network_that_does_not_export_is_refused_in_one_sentence():
    _, description = network("cnn")
    with pytest.raises(
        UserError, match=r"^The architecture of cnn, cnn, cannot be exported to ONNX \(.*\); use "
    ) as told:
        export_graph(Classifier(DependsOnTheImages(), [0.5] * 3, [0.5] * 3), description)
    assert "\n" not in str(told.value)


# the command


class Recorded(NamedTuple):
    """A model in MLflow, and where its store is."""

    root: Path
    names: dict[str, str]


@pytest.fixture(scope="module")
def recorded(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The CNN with its card and its temperature in a store, as version 1 of `some-cnn`, trained and evaluated twice."""
    root = tmp_path_factory.mktemp("recorded")
    shutil.copytree(study / "models", root / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(root)
        store = Store.open("some")
        for temperature in (1.0, TEMPERATURE):
            run = store.start_training_run("cnn", "key", {}, {WEIGHTS: weights_hash("models/cnn")})
            store.finish(run)
            write_temperature("models/cnn", temperature)
            (root / "cards/cnn/README.md").write_text(f"the card at {temperature}", encoding="utf-8")
            register_models("some", ["cnn"])
        (model,) = store.models_of(run)
    return Recorded(root, {"run": run, "model": model.model_id})


@pytest.mark.parametrize("uri", ["runs:/{run}", "models:/{model}", "models:/some-cnn/1", "models:/some-cnn@champion"])
def test_a_model_in_mlflow_has_the_card_and_the_temperature_of_its_latest_evaluation(
    uri, recorded, study, tmp_path, monkeypatch
):
    """Whatever a model of the same name in the working folder has."""
    monkeypatch.setenv("DVC_ROOT", str(recorded.root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(latency, "SECONDS", 0)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(study / "models", "models")
    write_temperature("models/cnn", 7.0)
    Path("cards/cnn/README.md").write_text("another card", encoding="utf-8")
    name = uri.format_map(recorded.names)
    monkeypatch.setattr(sys, "argv", ["tinyres", "export", name, "--data", str(study / "data/subset")])
    main()
    assert metadata(Path("cnn.onnx"))["temperature"] == str(TEMPERATURE)
    assert json.loads(Path("cnn.json").read_text())["temperature"] == TEMPERATURE
    assert Path("cnn.md").read_text(encoding="utf-8") == f"the card at {TEMPERATURE}"


def metadata(file: Path) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load(file).metadata_props}


def test_the_files_name_their_classes_and_weights(exported, study):
    for name in ("cnn.onnx", "cnn-int8.onnx"):
        told = metadata(exported.folder / name)
        assert json.loads(told["classes"]) == CLASSES
        assert told["weights"] == weights_hash(study / "models/cnn")
        assert (told["model"], json.loads(told["temperature"])) == ("cnn", TEMPERATURE)


@pytest.mark.parametrize("name", ["cnn", "cnn-int8"])
def test_the_figures_are_those_of_the_file(name, exported, study, test):
    report = json.loads((exported.folder / f"{name}.json").read_text(encoding="utf-8"))
    file = exported.folder / f"{name}.onnx"
    assert report["sha256"] == hash_files([file])
    ours = in_batches(onnx_network(file), test.images)
    theirs = torch_network(load_model(study / "models/cnn")[0], TEMPERATURE)(test.images)
    kind = "ONNX int8" if name == "cnn-int8" else "ONNX float32"
    figures = report["networks"][kind]
    assert figures["bytes"] == file.stat().st_size
    assert figures["test_accuracy"] == (ours.argmax(axis=1) == test.labels).mean()
    assert figures["equal_answers"] == (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
    assert figures["largest_difference"] == pytest.approx(np.abs(ours - theirs).max())
    before = report["networks"]["tinyres predict"]["test_accuracy"]
    assert figures["difference"]["test_accuracy"] == pytest.approx(figures["test_accuracy"] - before)
    low, high = (figures["difference"][f"test_accuracy_{end}"] for end in ("low", "high"))
    assert low <= figures["difference"]["test_accuracy"] <= high


def test_float32_answers_alike_and_8_bits_nearly_at_a_quarter_of_the_size(exported):
    figures = json.loads((exported.folder / "cnn-int8.json").read_text(encoding="utf-8"))["networks"]
    assert figures["tinyres predict"]["test_accuracy"] > 0.5, "it learned something"
    assert figures["ONNX float32"]["equal_answers"] == 1
    assert figures["ONNX int8"]["equal_answers"] > 0.95
    assert figures["ONNX int8"]["bytes"] < 0.3 * figures["ONNX float32"]["bytes"]


def test_every_network_is_timed_for_1_and_64_images_on_one_thread_and_on_all(exported):
    networks = json.loads((exported.folder / "cnn-int8.json").read_text(encoding="utf-8"))["networks"]
    threads = sorted({1, torch.get_num_threads()})
    labels = {f"{n}_image{'s' * (n > 1)}_{t}_thread{'s' * (t > 1)}" for n in (1, 64) for t in threads}
    for each in networks.values():
        assert each["milliseconds"].keys() == labels
        assert min(each["milliseconds"].values()) > 0


def test_the_table_is_printed(exported):
    small = exported.printed.partition("written: cnn.onnx\n")[2]
    header, _, *rows = re.sub(" +", " ", small).splitlines()
    assert header == f"| {TESTED} test images | tinyres predict | ONNX float32 | ONNX int8 |"
    assert rows[-1] == "written: cnn-int8.onnx"
    (answers,) = [row for row in rows if row.startswith("| equal answers (%) |")]
    assert answers.startswith("| equal answers (%) | | 100.00 | ")


def test_the_models_run_has_the_figures(exported):
    run = exported.store.client.get_run(exported.run)
    files = {Path(each.path).name for each in exported.store.client.list_artifacts(exported.run, "export")}
    assert files == {"cnn.json", "cnn-int8.json"}
    figures = json.loads((exported.folder / "cnn-int8.json").read_text(encoding="utf-8"))["networks"]["ONNX int8"]
    assert run.data.metrics["export/ONNX_int8/test_accuracy"] == figures["test_accuracy"]
    assert run.data.metrics["export/ONNX_int8/bytes"] == figures["bytes"]


def test_ten_lines_without_tinyres_print_what_predict_prints(exported, study, tmp_path, monkeypatch, capsys):
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(encoding="utf-8"), flags=re.S)
    assert len(list(filter(None, script.splitlines()))) == 10
    imports = [each for each in ast.walk(ast.parse(script)) if isinstance(each, ast.Import | ast.ImportFrom)]
    packages = {name.name for each in imports for name in each.names} | {
        getattr(each, "module", "") for each in imports
    }
    assert packages == {"", "json", "sys", "numpy", "onnxruntime", "PIL", "Image", "ImageOps"}
    picture = tmp_path / "flower.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(load_sample_image("flower.jpg")).save(picture, exif=exif)
    (tmp_path / "classify.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-I", str(tmp_path / "classify.py"), str(exported.folder / "cnn.onnx"), str(picture)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    monkeypatch.setattr(sys, "argv", ["tinyres", "predict", str(study / "models/cnn"), str(picture)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == f"{picture}\n{told}"


# what is refused


def test_8_bits_that_cost_too_much_accuracy_leave_no_file(export, study, monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0)
    told = export(study / "models/cnn", "--int8", "--max-loss", "-100")  # more than can be lost
    assert re.match(r"error: In 8 bits cnn loses -?\d\.\d\d points of test accuracy, more than -100, ", told)


@pytest.mark.parametrize("difference", [2 * TOLERANCE, np.nan])
def test_a_probability_that_differs_is_refused(difference, test):
    one = np.full((len(test), 10), 0.1, np.float32)
    other = one.copy()
    other[3, 2] += difference
    refuse_other_answers(agreement(one, one, test), "net")
    with pytest.raises(UserError, match=r"net differs from torch's by .* no file was written"):
        refuse_other_answers(agreement(other, one, test), "net")


def test_images_that_the_model_was_not_trained_on_are_refused(export, study, tmp_path_factory):
    others = tmp_path_factory.mktemp("others")
    test = read_split(study / "data/subset/test")
    data = Description(
        "digits", CLASSES, None, (32, 32), {"train": len(test), "test": len(test)}, None, [0] * 3, [1] * 3
    )
    write_dataset(others / "subset", data, {"train": test, "test": test})
    told = export(study / "models/cnn", "--data", others / "subset")
    assert told.startswith(f"error: {others / 'subset'} does not hold the images that cnn was trained on, ")


def test_a_study_without_its_images_is_refused(export, study):
    assert "dataset.json is missing" in export(study / "models/cnn", "--data", "nowhere")


@pytest.mark.parametrize("name", ["cnn.pt", "cnn", "cnn.json"])
def test_a_name_that_is_none_of_an_onnx_file_is_refused(name, export, study):
    assert export(study / "models/cnn", "--output", name).startswith(
        f"error: --output {name} is no name for an ONNX file"
    )


def test_without_its_packages_the_command_says_what_to_install(export, study, monkeypatch):
    monkeypatch.setattr(command, "PACKAGES", ("onnx", "of_no_such_name"))
    told = export(study / "models/cnn")
    assert told == 'error: tinyres export needs of_no_such_name; run `pip install "tinyres[export]"`.'


# its parts


def test_ranges_are_those_of_some_training_images_always_the_same():
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1).repeat(3, axis=3)
    chosen = calibration_images(images, 20)
    assert len(set(chosen[:, 0, 0, 0])) == 20
    np.testing.assert_array_equal(chosen, calibration_images(images, 20))
    assert len(calibration_images(images, 500)) == 100


def test_networks_are_timed_in_turn(monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0)
    calls: list[str] = []
    times = interleaved({name: lambda name=name: calls.append(name) for name in "ab"})
    assert "".join(calls) == "aabb" * latency.ROUNDS[0]
    assert {name: len(each) for name, each in times.items()} == {"a": latency.ROUNDS[0], "b": latency.ROUNDS[0]}


def test_a_card_is_copied_beside_the_file_under_its_name(study, tmp_path):
    copy_card(study / "models/cnn", tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    card = study / "cards/cnn/README.md"
    card.write_text("# cnn\n", encoding="utf-8")
    copy_card(study / "models/cnn", tmp_path / "net.onnx")
    assert (tmp_path / "net.md").read_text(encoding="utf-8") == "# cnn\n"
