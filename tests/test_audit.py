"""`tinyres audit` of a study and of a folder of pictures."""

import csv
import json
import shutil
import sys
from pathlib import Path

import hypothesis.strategies
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

from test_twins import CHANGES, scenes, split
from tinyres.cli.cross_validation import split_into_folds
from tinyres.cli.main import main
from tinyres.common.dataset import Description, Split, write_dataset
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.trust import TwinPair
from tinyres.models import build, save_model
from tinyres.params import read_params
from tinyres.sources import image_folder
from tinyres.sources.subset import choose_images, extract
from tinyres.sources.twins import find_twins, write_twins


def audit(monkeypatch, capsys, *words) -> str:
    monkeypatch.setattr(sys, "argv", ["tinyres", "audit", *map(str, words)])
    main()
    return capsys.readouterr().out


def refused(monkeypatch, *words) -> str:
    monkeypatch.setattr(sys, "argv", ["tinyres", "audit", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return str(exit_.value.code)


@pytest.fixture
def pictures(tmp_path):
    """A folder with two classes, in which a picture of `seal` is a mirrored one of `otter`."""
    images = scenes(6)[:, 6:38, 6:38]
    for row, image in enumerate(images):
        file = tmp_path / "pictures" / ("otter" if row < 3 else "seal") / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    Image.fromarray(np.ascontiguousarray(images[1][:, ::-1])).save(tmp_path / "pictures/seal/copy.png")
    return tmp_path / "pictures"


@pytest.fixture
def study(tmp_path):
    """A study of 12 training and 8 test images, of which the first seven are changed copies, evaluated."""
    whole = scenes(20)
    train, test = whole[:12, 6:38, 6:38], whole[12:, 6:38, 6:38].copy()
    for row, change in enumerate(CHANGES.values()):
        test[row] = change(whole[row])
    splits = {"train": split(train, [0, 1] * 6), "test": split(test, [1, 1, 0, 1, 0, 1, 0, 1])}
    description = Description(
        "toy", ["otter", "seal"], None, (32, 32), {"train": 12, "test": 8}, None, [0.5] * 3, [1] * 3
    )
    write_dataset(tmp_path / "data/subset", description, splits)
    numbers = {"train": np.arange(12) + 100, "test": np.arange(8) * 10}
    write_twins(tmp_path / "data/twins", find_twins(splits), numbers, [])
    (tmp_path / "params.yaml").touch()
    return tmp_path


def evaluated(study, sure: float = 0.8) -> None:
    probabilities = np.eye(2)[[1, 1, 0, 1, 0, 1, 0, 0]] * sure + (1 - sure) / 2  # of the last it says otter, not seal
    (study / "metrics/evaluation").mkdir(parents=True)
    np.save(study / "metrics/evaluation/probabilities_net.npy", probabilities.astype(np.float16))


def write_digits(study, wrong=()) -> None:
    """Put 48 zeros and 48 ones in place of the study's images, some with the other label, and a network to train."""
    images, labels = load_digits(n_class=2, return_X_y=True)
    rows = np.concatenate([np.flatnonzero(labels == digit)[:48] for digit in (0, 1)])
    grey = (images[rows].reshape(-1, 8, 8, 1) * (255 / 16)).round().astype(np.uint8).repeat(3, axis=3)
    stated = labels[rows].astype(np.int64)
    stated[list(wrong)] = 1 - stated[list(wrong)]
    splits = {"train": Split(grey, stated), "test": Split(grey[:4], stated[:4])}
    description = Description(
        "toy", ["zero", "one"], None, (8, 8), {"train": 96, "test": 4}, None, [0.3] * 3, [0.4] * 3
    )
    shutil.rmtree(study / "data")
    write_dataset(study / "data/subset", description, splits)
    write_twins(study / "data/twins", [], {"train": np.arange(96) + 100, "test": np.arange(4)}, [])
    text = (Path(__file__).parents[1] / "params.yaml").read_text()
    content = YAML(typ="safe").load(text)
    content["models"] = {"net": content["models"]["baseline"] | {"architecture": "cnn", "stem": None}}
    content |= {"epochs": 6, "batch_size": 8, "lr": 0.003}
    content["augment"]["online"] |= {"crop_padding": 0, "flip": 0}
    with (study / "params.yaml").open("w") as stream:
        YAML().dump(content, stream)


def test_pictures_before_any_training(pictures, monkeypatch, capsys, tmp_path):
    told = audit(monkeypatch, capsys, pictures, "--pairs", tmp_path / "pairs.csv", "--plots", tmp_path / "plots")
    assert "otter/1.png" in told
    assert "seal/copy.png" in told
    assert "two labels" in told
    assert "dvc repro" not in told, "there is no study whose networks could judge the labels"
    with (tmp_path / "pairs.csv").open() as stream:
        (pair,) = csv.DictReader(stream)
    columns = ["first_split", "first", "second_split", "second", "kind", "score", "labels_agree"]
    assert list(pair) == [*columns, "first_file", "second_file"]
    assert (pair["first_file"], pair["second_file"]) == ("otter/1.png", "seal/copy.png")
    assert (int(pair["first"]), int(pair["second"])) == (1, 6), "in the order of the files' names"
    assert (pair["kind"], pair["labels_agree"]) == ("near", "false")
    assert (tmp_path / "plots/twins.png").is_file()


def test_pictures_that_cannot_be_read_are_left_out_and_named(pictures, monkeypatch, capsys):
    (pictures / "otter/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no JPEG")
    (pictures / "seal/empty.png").touch()
    found = json.loads(audit(monkeypatch, capsys, pictures, "--json"))
    assert found["images"] == {"train": 7}
    assert [pairs["pairs"] for pairs in found["twins"]] == [1]
    assert found["remarks"] == [
        f"2 of 9 images in {pictures} were not compared:",
        f"{pictures}/otter/broken.jpg cannot be read (Truncated File Read); fetch or save it again.",
        f"{pictures}/seal/empty.png is empty (0 bytes); fetch or save it again.",
    ]


def test_a_folder_without_a_picture_that_can_be_read_is_refused(pictures, monkeypatch):
    for file in pictures.glob("*/*.png"):
        file.write_bytes(b"")
    assert refused(monkeypatch, pictures) == (
        f"error: None of the 7 images in {pictures} can be read; "
        f"the last: {pictures}/seal/copy.png is empty (0 bytes); fetch or save it again."
    )


def test_a_study_before_and_after_its_evaluation(study, monkeypatch, capsys):
    before = json.loads(audit(monkeypatch, capsys, study, "--json"))
    assert before["test_images_with_a_twin_in_training"] == 7
    assert before["test_images_with_a_contradicting_twin"] == 1
    assert "suspect_labels" not in before
    assert "Test labels are judged once networks were evaluated (`dvc repro evaluate`)." in audit(
        monkeypatch, capsys, study
    )
    evaluated(study)
    after = json.loads(audit(monkeypatch, capsys, study, "--json"))
    assert [(each["split"], each["number"], each["given"], each["likely"]) for each in after["suspect_labels"]] == [
        ("test", 70, "seal", "otter")
    ]
    assert "1 suspect label among 8 test images, by net" in audit(monkeypatch, capsys, study)


def test_pairs_have_the_numbers_of_the_source(study, monkeypatch, capsys):
    audit(monkeypatch, capsys, study, "--pairs", study / "pairs.csv")
    with (study / "pairs.csv").open() as stream:
        numbers = {(int(pair["first"]), int(pair["second"])) for pair in csv.DictReader(stream)}
    assert numbers == {(100 + row, 10 * row) for row in range(7)}


def test_suspects_have_the_numbers_of_the_source(study, monkeypatch, capsys):
    evaluated(study)
    with monkeypatch.context() as patch:
        drawn = []
        patch.setattr("matplotlib.axes.Axes.set_title", lambda self, text, **_: drawn.append(text))
        told = audit(monkeypatch, capsys, study, "--suspects", study / "suspects.csv", "--plots", study / "plots")
    assert drawn[-1] == "test 70"
    assert "test 70" in told
    assert (study / "suspects.csv").read_text() == ("split,number,given,likely,margin\ntest,70,seal,otter,0.7999\n")


def test_pictures_of_a_study_are_named_by_their_files(pictures, study, monkeypatch, capsys):
    content = YAML(typ="safe").load((Path(__file__).parents[1] / "params.yaml").read_text())
    content["data"] |= {"source": "image_folder", "folder": str(pictures)}
    content["subset"] |= {"validation": 2}
    with (study / "params.yaml").open("w") as stream:
        YAML().dump(content, stream)
    params = read_params("seed", "data", "subset", file=study / "params.yaml")
    shutil.rmtree(study / "data")
    image_folder.download(study / "data/raw", params.data)
    source = image_folder.read(study / "data/raw", None, params.seed)
    description, splits = extract(source, params.subset, params.seed)
    write_dataset(study / "data/subset", description, splits)
    numbers = {name: each.rows for name, each in choose_images(source, params.subset, params.seed).items()}
    write_twins(study / "data/twins", find_twins(splits), numbers, [])
    told = audit(monkeypatch, capsys, study, "--pairs", study / "pairs.csv")
    with (study / "pairs.csv").open() as stream:
        (pair,) = csv.DictReader(stream)
    assert {pair["first_file"], pair["second_file"]} == {"otter/1.png", "seal/copy.png"}
    for which in ("first", "second"):
        split, number, name = pair[f"{which}_split"], int(pair[which]), pair[f"{which}_file"]
        assert source.files["train" if split == "validation" else split][number] == name
        assert f"{split} {name}" in told
    assert "Test labels are judged once networks were evaluated" in told


def test_a_margin_has_two_decimals(study, monkeypatch, capsys):
    evaluated(study, sure=1.0)
    assert audit(monkeypatch, capsys, study).splitlines()[-1].split() == ["test", "70", "seal", "otter", "1.00"]


def test_features_propose_twins_that_outlines_do_not(study, monkeypatch, capsys):
    spec = {"architecture": "cnn", "stem": None, "standardise": True}
    network = ModelDescription("net", spec, ["otter", "seal"], (32, 32), [0.5] * 3, [0.2] * 3, {})
    torch.manual_seed(0)
    save_model(study / "models/net", build(network), network)
    pairs = study / "data/twins/pairs.csv"
    lines = pairs.read_text().splitlines(keepends=True)
    pairs.write_text("".join(lines[:2]))  # all but the exact pair
    audit(monkeypatch, capsys, study, "--features", "net", "--pairs", study / "pairs.csv")
    with (study / "pairs.csv").open() as stream:
        found = {(pair["kind"], int(pair["first"]), int(pair["second"])) for pair in csv.DictReader(stream)}
    changed = {("features", 100 + row, 10 * row) for row in range(1, 7)}
    untouched_in_colour = {("features", 100 + row, 10 * row) for row in (1, 2, 4)}  # shifted, JPEG, mirrored
    assert untouched_in_colour <= found - {("exact", 100, 0)} <= changed  # an untrained network goes by colour, too


def test_features_propose_none_of_images_too_small_to_tell_twins_from_two_of_a_kind(study, monkeypatch, capsys):
    write_digits(study)
    spec = {"architecture": "cnn", "stem": None, "standardise": True}
    network = ModelDescription("net", spec, ["zero", "one"], (8, 8), [0.3] * 3, [0.4] * 3, {})
    save_model(study / "models/net", build(network), network)
    assert json.loads(audit(monkeypatch, capsys, study, "--features", "net", "--json"))["twins"] == []


def test_training_labels_are_judged_by_networks_that_were_not_trained_on_them(study, monkeypatch, capsys):
    write_digits(study, wrong=(3, 60))
    told = audit(monkeypatch, capsys, study, "--cross-validate", "net", "--folds", "2", "--json")
    content = json.loads(told)
    assert content["judges"] == {"train": ["net"]}
    assert {(each["split"], each["number"], each["given"], each["likely"]) for each in content["suspect_labels"]} >= {
        ("train", 103, "one", "zero"),
        ("train", 160, "zero", "one"),
    }
    assert len(content["suspect_labels"]) < 6
    monkeypatch.setattr("tinyres.cli.cross_validation.make_trainer", None)
    assert audit(monkeypatch, capsys, study, "--cross-validate", "net", "--folds", "2", "--json") == told, "no training"


@given(hypothesis.strategies.data())
def test_folds_hold_every_image_once_and_twins_together(data):
    labels = np.repeat([0, 1, 2], [12, 15, 40])
    rows = hypothesis.strategies.integers(0, len(labels) - 1)
    twins = data.draw(hypothesis.strategies.lists(hypothesis.strategies.tuples(rows, rows), max_size=8))
    pairs = [TwinPair(("train", "train"), pair, pair, "near", 0.9, True) for pair in twins]
    folds = split_into_folds(labels, pairs, data.draw(hypothesis.strategies.integers(2, 12)), 0)
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(labels)))
    fold_of = {row: number for number, fold in enumerate(folds) for row in fold.tolist()}
    assert all(fold_of[first] == fold_of[second] for first, second in twins)


def test_more_folds_than_images_of_a_class_are_refused(study, monkeypatch):
    write_digits(study)
    for folds in ("1", "49"):
        told = refused(monkeypatch, study, "--cross-validate", "net", "--folds", folds)
        assert told == (
            f"error: --folds is {folds}, but has to be at least 2 and at most 48, the training images of the smallest "
            "class."
        )


def test_what_is_missing_is_told_in_one_sentence(study, monkeypatch, tmp_path):
    assert "has no probabilities of a network 'other'" in refused(monkeypatch, study, "--model", "other")
    assert "There is no folder" in refused(monkeypatch, tmp_path / "nowhere")
    assert "No labels were judged" in refused(monkeypatch, study, "--suspects", study / "suspects.csv")
    (study / "data/twins/pairs.csv").unlink()
    assert "is missing; make it with `dvc repro subset-extract`" in refused(monkeypatch, study)


def test_probabilities_of_other_images_are_refused(study, monkeypatch):
    evaluated(study)
    np.save(study / "metrics/evaluation/probabilities_net.npy", np.full((3, 2), 0.5, np.float16))
    assert "are of other images" in refused(monkeypatch, study)
