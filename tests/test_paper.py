"""The paper's claims, judged by constructed results."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paper_study import ROOT, SUPERCLASSES, paper_like_classes, write_study
from tinyres.cli.paper.claims import CLAIMS
from tinyres.cli.paper.claims_page import claims_page, judge
from tinyres.cli.paper.full_study import NOT_RUN, read_results, read_study
from tinyres.cli.paper.verdicts import (
    BEST,
    OBJECTS,
    WORST,
    Finding,
    Verdict,
    difference_interval,
    is_above,
    share_interval,
)
from tinyres.common.errors import UserError
from tinyres.evaluation.uncertainty import Estimate
from tinyres.params import load_yaml

ALL = {claim.name: claim for claims in CLAIMS.values() for claim in claims}
BETTER = "The modified network is better"


def write_page(root: Path) -> str:
    return claims_page(read_study(root))


def findings(root: Path) -> dict[str, Finding]:
    reference = load_yaml(root / "params.yaml")["evaluate"]["reference"]["models"]
    return {name: judge(claim, read_results(root, reference)) for name, claim in ALL.items()}


def verdicts(root: Path) -> dict[str, str]:
    return {name: str(finding.verdict) for name, finding in findings(root).items()}


def test_without_the_full_study_every_verdict_is_undecided(tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    page = write_page(tmp_path)
    assert page.count(f"**undecided**: {NOT_RUN}.") == len(ALL)
    assert not set(Counter(page.split("**"))) & {"holds", "does not hold"}
    assert "there is no metrics/evaluate.json" in page
    assert "70.19" in page


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: (root / "metrics/embed.json").unlink(), "there is no metrics/embed.json"),
        (lambda root: edit(root, "source: cifar100 ", "source: digits "), "does not take all of CIFAR-100"),
        (lambda root: edit(root, "per_class: null", "per_class: 5"), "does not take all of CIFAR-100"),
        (lambda root: edit(root, "classes: all", "classes: fish"), "does not take all of CIFAR-100"),
        (lambda root: drop_class(root), "metrics/ holds results on 99 classes, not 100"),
    ],
)
def test_a_smaller_study_fills_in_nothing(tmp_path, change, reason):
    root = write_study(tmp_path)
    assert NOT_RUN not in write_page(root)
    change(root)
    page = write_page(root)
    assert reason in page
    assert page.count(f"**undecided**: {NOT_RUN}.") == len(ALL)
    assert "to 71.08)" not in page, "the results' own numbers are not shown"


def edit(root: Path, old: str, new: str) -> None:
    text = (root / "params.yaml").read_text()
    assert old in text
    (root / "params.yaml").write_text(text.replace(old, new, 1))


def drop_class(root: Path) -> None:
    lines = (root / "metrics/evaluation/per_class.csv").read_text().splitlines()
    (root / "metrics/evaluation/per_class.csv").write_text("\n".join(lines[:-1]) + "\n")


def test_a_shorter_training_fills_in_nothing(tmp_path):
    assert "baseline was trained for 10 epochs, not 30" in write_page(write_study(tmp_path, epochs=10))


def test_results_like_the_papers_confirm_all_that_it_says_but_what_contradicts_itself(tmp_path):
    told = verdicts(write_study(tmp_path))
    failing = {name for name, verdict in told.items() if verdict != "holds"}
    assert failing == {"Validation accuracy plateaus around 84 %", "Overfitting is minimal"}
    page = write_page(tmp_path)
    assert "| test accuracy     |             68.42 | 68.42 (67.50 to 69.32) |" in page
    assert "+1.77 (+0.97 to +2.57)" in page
    assert "![t-SNE](../plots/tsne.png)" in page
    assert NOT_RUN not in page


@pytest.mark.parametrize(
    ("test", "better"),
    [
        ((0.60, 0.75), "holds"),
        ((0.70, 0.70), "undecided"),
        ((0.70, 0.705), "undecided"),
        ((0.75, 0.6), "does not hold"),
    ],
)
def test_a_clearly_better_network_no_difference_and_the_reverse(tmp_path, test, better):
    told = verdicts(write_study(tmp_path, test=test, train=test))
    assert told[BETTER] == better
    assert told["Test accuracy improves by 1.77 points"] == "does not hold"
    assert told["The standard network's test accuracy is 68.42 %"] == "does not hold"


def test_other_results_turn_every_claim(tmp_path):
    upside_down = {name: 1.3 - share for name, share in paper_like_classes().items()}
    opposite = verdicts(
        write_study(
            tmp_path,
            test=(0.75, 0.6),
            train=(0.75, 0.6),
            per_class=upside_down,
            inside=0.1,
            embedding=(0.4, 0.1),
            losses=(3.0, 1.5, 2.0),
            train_loss=0.8,
            pairs=(("wardrobe", "bed", 90), ("boy", "girl", 1)),
        )
    )
    holding = {name for name, verdict in opposite.items() if verdict == "holds"}
    assert holding == {"Training accuracy increases steadily", "Overfitting is minimal"}


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"inside": 0.5}, "Mistakes are mostly between visually analogous classes"),
        ({"embedding": (0.6, 0.2)}, "Features form distinct clusters for macro-categories"),
        ({"test": (0.7, 0.7), "train": (0.7, 0.75)}, "Overfitting is minimal"),
        ({"pairs": (("girl", "boy", 45), ("woman", "girl", 44))}, "The main diagonal is prominent"),
        ({"per_class": dict.fromkeys(SUPERCLASSES, 0.6)}, "Objects are recognised better than natural things"),
    ],
)
def test_what_lies_between_is_undecided(tmp_path, changes, claim):
    assert verdicts(write_study(tmp_path, **changes))[claim] == "undecided"


def test_every_claim_shows_the_numbers_behind_it(tmp_path):
    for name, finding in findings(write_study(tmp_path)).items():
        assert any(letter.isdigit() for letter in finding.measured), name


def test_the_figures_in_words_are_those_of_the_parameters():
    models = load_yaml(ROOT / "params.yaml")["evaluate"]["reference"]["models"]
    words = {"baseline": "standard", "modified": "modified"}
    for model, figures in models.items():
        for metric, figure in figures.items():
            split = {"train_accuracy": "training", "test_accuracy": "test"}[metric]
            assert f"The {words[model]} network's {split} accuracy is {figure:.2f} %" in ALL
            gain = models["modified"][metric] - models["baseline"][metric]
            assert f"{split.capitalize()} accuracy improves by {gain:.2f} points" in ALL


def test_thirty_classes_are_objects():
    assert sum(superclass in OBJECTS for superclass in SUPERCLASSES.values()) == 30
    assert set(BEST | WORST) <= set(SUPERCLASSES)


def test_the_superclasses_used_here_are_those_of_the_archive(source):
    assert source.superclasses == SUPERCLASSES


@given(st.floats(0, 1), st.floats(0, 1))
def test_newcombes_interval_holds_the_difference_and_turns_with_it(first, second):
    one, two = share_interval(first, 1000), share_interval(second, 500)
    forward, back = difference_interval(one, two), difference_interval(two, one)
    assert forward.value == pytest.approx(-back.value)
    assert (forward.low, forward.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


def test_newcombes_interval_is_that_of_his_example():
    """Newcombe (1998), Table II, row a: 56/70 − 48/80, method 10: 0.0524 to 0.3339."""
    found = difference_interval(share_interval(48 / 80, 80), share_interval(56 / 70, 70))
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, "holds"), (-0.1, 0.1, "undecided"), (-0.2, -0.1, "does not hold")]
)
def test_an_interval_decides_only_where_it_lies_on_one_side(low, high, verdict):
    assert is_above(Estimate((low + high) / 2, low, high), 0) == Verdict(verdict)


def test_parameters_without_the_papers_figures_are_one_sentence(tmp_path):
    content = load_yaml(ROOT / "params.yaml")
    content["evaluate"]["reference"] = None
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"holds no evaluate\.reference"):
        write_page(tmp_path)
