"""A model's card is made from its results, and Hugging Face's metadata in it are read back."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tinyres.common.dataset import Description
from tinyres.common.model_folder import ModelDescription, weights_hash
from tinyres.evaluation.assessment import Assessment, assess
from tinyres.evaluation.card import about_data, write_card
from tinyres.evaluation.known_data import KNOWN, known_data
from tinyres.models import build, count_parameters, save_model

CLASSES = ["ant", "bee", "cat"]
DATA = Description("digits", CLASSES, None, (8, 8), {"train": 40, "test": 30}, None, [0.5] * 3, [0.2] * 3)
DOUBTS = "Of the 30 test images, 2 (6.7 %) have a twin among the training images."
TRAINING = {"params": {"seed": 3, "lr": 0.01, "optimizer": {"name": "sgd"}, "model": {"architecture": "cnn"}}}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder with one untrained model, in no Git repository."""
    monkeypatch.chdir(tmp_path)
    spec = {"architecture": "cnn", "stem": None, "standardise": True}
    description = ModelDescription("net", spec, CLASSES, (8, 8), [0.5] * 3, [0.2] * 3, TRAINING)
    torch.manual_seed(0)
    save_model("models/net", build(description), description)
    return tmp_path


@pytest.fixture(scope="module")
def assessment() -> Assessment:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 30)
    return assess((2 * np.eye(3)[labels] + generator.normal(size=(30, 3))).astype(np.float32), labels)


@pytest.fixture
def card(study: Path, assessment: Assessment) -> str:
    write_card(Path("models/net"), DATA, assessment.figures(), assessment, DOUBTS, "Python 3, torch 2")
    return (study / "cards/net/README.md").read_text(encoding="utf-8")


def test_the_metadata_hold_the_results(card, assessment):
    block = yaml.safe_load(card.split("---\n")[1])
    assert list(block)[:3] == ["license", "library_name", "pipeline_tag"]
    (entry,) = block["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "net"
    assert result["task"]["type"] == block["pipeline_tag"] == "image-classification"
    assert result["dataset"] == {"type": "digits", "name": "scikit-learn's digits", "split": "test"}
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    figures = assessment.figures()
    assert values == {
        "accuracy": figures["test_accuracy"],
        "loss": figures["test_loss"],
        "ece": figures["test_ece"],
    }


def test_the_card_says_everything_that_a_reader_asks(card):
    titles = ["Results", "Use and limits", "How to load it", "Network", "Data", "Recipe", "How it was made", "Licence"]
    assert re.findall(r"(?m)^## (.+)$", card) == [*titles, "Results by class"]


def test_the_figures_are_those_of_the_network(card, assessment):
    figures = assessment.figures()
    low, high = (100 * figures[f"test_accuracy_{end}"] for end in ("low", "high"))
    assert f"{100 * figures['test_accuracy']:.2f} % of 30 test images" in card
    assert f"(95 % interval {low:.2f} to {high:.2f} %)" in card
    spec = ModelDescription("net", {"architecture": "cnn", "stem": None, "standardise": True}, CLASSES, (8, 8),
                            [0.5] * 3, [0.2] * 3, TRAINING)  # fmt: skip
    assert f"trainable parameters: {count_parameters(build(spec).network):,}\n" in card
    assert weights_hash("models/net") in card
    by_class = card.split("## Results by class")[1]
    for label, name in enumerate(CLASSES):
        assert re.search(rf"(?m)^\| {name} +\| +\d\.\d{{4}} \| +{assessment.per_class[label]:.4f} \|", by_class)


def test_the_recipe_is_the_trainings(card):
    block = re.search(r"## Recipe\n\n```yaml\n(.*?)```", card, re.DOTALL)
    assert block is not None
    assert yaml.safe_load(block[1]) == TRAINING["params"]


def test_its_command_finds_the_commit_that_holds_it_and_a_commit_does_not_change_it(study, card, assessment):
    def git(*arguments: str) -> str:
        author = ["-c", "user.email=tests@example.org", "-c", "user.name=tests"]
        return subprocess.run(["git", *author, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "cards")
    git("commit", "-qm", "results")
    holds_it = git("rev-parse", "HEAD")
    git("commit", "-qm", "later", "--allow-empty")
    command = re.search(r"git checkout \$\(git (log .*)\)\n", card)
    assert command is not None
    assert git(*command[1].split()) == holds_it
    write_card(Path("models/net"), DATA, assessment.figures(), assessment, DOUBTS, "Python 3, torch 2")
    assert git("status", "--porcelain", "cards") == ""


def test_three_lines_load_the_model_and_use_it(card):
    block = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert block is not None
    assert len([line for line in block[1].splitlines() if line]) == 3
    names = {"images": np.zeros((4, 8, 8, 3), np.uint8)}
    exec(block[1], names)
    assert names["probabilities"].shape == (4, 3)


def test_a_temperature_is_part_of_the_limits(study, assessment):
    scaled = {"temperature": 1.5, "test_scaled_loss": 0.5, "test_scaled_ece": 0.02}
    write_card(Path("models/net"), DATA, assessment.figures() | scaled, assessment, DOUBTS, "Python 3")
    card = (study / "cards/net/README.md").read_text(encoding="utf-8")
    assert "off by 2.0 points on average (expected calibration error) at the temperature 1.500" in card


def test_the_faults_of_the_images_end_with_those_found_here(card):
    data = card.split("## Data")[1].split("\n## ")[0]
    assert data.rstrip().endswith(f"- **Found here.** {DOUBTS} [Results](#results) has the accuracy without them.")


@pytest.mark.parametrize("source", [*KNOWN, "image_folder"])
def test_every_sentence_about_the_data_begins_with_a_capital_letter(source):
    text = about_data(replace(DATA, source=source), DOUBTS)
    beginnings = re.findall(r"(?m)(?:^(?:- )?|[.] )(?:\*\*\w+\.\*\* )?(\w)", text)
    assert len(beginnings) > 5
    assert "".join(beginnings) == "".join(beginnings).upper()


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["beaver", "dolphin", "otter", "seal", "whale"], []),
        (["bus", "woman", "boy"], ["- **People.** These of the classes show people: `boy`, `woman`."]),
    ],
)
def test_the_card_names_those_classes_of_the_study_that_show_people(classes, said):
    text = about_data(replace(DATA, source="cifar100", classes=classes), DOUBTS)
    assert [line for line in text.splitlines() if re.search("baby|boy|girl|man|woman", line)] == said


@pytest.mark.parametrize("source", KNOWN)
def test_every_fault_of_a_known_source_is_a_sentence(source):
    assert all(re.match(r"\*\*\w+\.\*\* .+\.$", fault) for fault in known_data(source).faults)


def test_of_pictures_from_a_folder_nobody_has_reported_faults():
    assert known_data("image_folder").faults[0].startswith("**Unknown.**")
