"""`tinyres audit` of a study and of a folder of pictures."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from test_twins import CHANGES, scenes, split
from tinyres.cli.main import main
from tinyres.common.dataset import Description, write_dataset
from tinyres.common.model_folder import ModelDescription
from tinyres.models import build, save_model
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


def evaluated(study) -> None:
    probabilities = np.eye(2)[[1, 1, 0, 1, 0, 1, 0, 0]] * 0.8 + 0.1  # of the last image it says otter, not seal
    (study / "metrics/evaluation").mkdir(parents=True)
    np.save(study / "metrics/evaluation/probabilities_net.npy", probabilities.astype(np.float16))


def test_pictures_before_any_training(pictures, monkeypatch, capsys, tmp_path):
    told = audit(monkeypatch, capsys, pictures, "--pairs", tmp_path / "pairs.csv", "--plots", tmp_path / "plots")
    assert "otter/1.png" in told
    assert "seal/copy.png" in told
    assert "two labels" in told
    assert "dvc repro" not in told, "there is no study whose networks could judge the labels"
    with (tmp_path / "pairs.csv").open() as stream:
        (pair,) = csv.DictReader(stream)
    assert list(pair) == ["first_split", "first", "second_split", "second", "kind", "score", "labels_agree"]
    assert (pair["kind"], pair["labels_agree"]) == ("near", "false")
    assert (tmp_path / "plots/twins.png").is_file()


def test_a_study_before_and_after_its_evaluation(study, monkeypatch, capsys):
    before = json.loads(audit(monkeypatch, capsys, study, "--json"))
    assert before["test_images_with_a_twin_in_training"] == 7
    assert before["test_images_with_a_contradicting_twin"] == 1
    assert "suspect_labels" not in before
    assert "Labels are judged once networks were evaluated (`dvc repro evaluate`)." in audit(monkeypatch, capsys, study)
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
