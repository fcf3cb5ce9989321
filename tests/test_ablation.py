"""The 2×2 of the paper's changes: what each costs by hand, and shares that add up to the gain."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from networks import model
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.ablation import (
    CELLS,
    Network,
    arrange,
    changes_of,
    check_comparable,
    factorial_effects,
    factorial_effects_table,
)
from tinyres.evaluation.assessment import assess
from tinyres.evaluation.complexity import multiply_accumulates
from tinyres.models import build_network, count_parameters
from tinyres.params import Stem, validate_params

ROOT = Path(__file__).resolve().parents[1]
STANDARD = Stem(kernel=7, stride=2, padding=3, maxpool=True)
SMALL = Stem(kernel=3, stride=1, padding=1, maxpool=True)


def resnet(stem: Stem) -> nn.Module:
    return build_network(model("resnet18", stem=stem.model_dump()), 100, (32, 32))


def network(name: str, stem: Stem) -> Network:
    assessment = assess(np.eye(3, dtype=np.float32), np.arange(3))
    return Network(name, stem, 1, 1, 0.5, assessment)


def without_pool(stem: Stem) -> Stem:
    return stem.model_copy(update={"maxpool": False})


FOUR = [network(str(i), s) for i, s in enumerate([without_pool(SMALL), STANDARD, SMALL, without_pool(STANDARD)])]

answers = st.integers(2, 40).flatmap(
    lambda count: st.tuples(*[st.lists(st.booleans(), min_size=count, max_size=count)] * 4)
)


def by_changes(four) -> dict[tuple[bool, bool], np.ndarray]:
    return dict(zip(CELLS, map(np.array, four), strict=True))


@pytest.mark.parametrize(
    ("layer", "size", "expected"),
    [
        (nn.Conv2d(3, 64, 7, 2, 3, bias=False), 32, 16 * 16 * 64 * 3 * 7 * 7),
        (nn.Conv2d(3, 64, 3, 1, 1, bias=False), 32, 32 * 32 * 64 * 3 * 3 * 3),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)), 6, 6 * 6 * 8 * 3),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 10)), 4, 48 * 10),
    ],
)
def test_multiply_accumulates_of_single_layers_are_those_counted_by_hand(layer, size, expected):
    assert multiply_accumulates(layer, (size, size)) == expected


def resnet18_by_hand(first_kernel: int, after_first: int, after_pool: int) -> int:
    """A ResNet-18 on 3 channels and 100 classes: side lengths after the first convolution and after the pool."""
    total = after_first**2 * 64 * 3 * first_kernel**2 + 512 * 100
    width, side = 64, after_pool
    total += 4 * side**2 * width * width * 9
    for _ in range(3):
        side, before, width = (side + 1) // 2, width, 2 * width
        total += side**2 * width * (before * 9 + 3 * width * 9 + before)  # the last: the shortcut's 1×1
    return total


@pytest.mark.parametrize(
    ("stem", "by_hand"),
    [
        (STANDARD, resnet18_by_hand(7, 16, 8)),
        (SMALL, resnet18_by_hand(3, 32, 16)),
        (without_pool(STANDARD), resnet18_by_hand(7, 16, 16)),
        (without_pool(SMALL), resnet18_by_hand(3, 32, 32)),
    ],
)
def test_multiply_accumulates_of_the_four_networks_are_those_counted_by_hand(stem, by_hand):
    assert multiply_accumulates(resnet(stem), (32, 32)) == by_hand


def test_counting_leaves_a_network_as_it_was():
    made = resnet(SMALL).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    multiply_accumulates(made, (32, 32))
    assert made.training
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_neither_change_costs_parameters_but_the_small_convolution_has_fewer():
    standard, small = count_parameters(resnet(STANDARD)), count_parameters(resnet(SMALL))
    assert standard - small == 64 * 3 * (7 * 7 - 3 * 3)
    assert count_parameters(resnet(without_pool(SMALL))) == small


@given(answers)
def test_the_two_main_effects_add_up_to_the_gain(four):
    correct = by_changes(four)
    accuracy = {changes: each.mean() for changes, each in correct.items()}
    effects = factorial_effects(correct)
    assert effects.gain.value == pytest.approx(accuracy[True, True] - accuracy[False, False])
    assert effects.stem.value + effects.pool.value == pytest.approx(effects.gain.value)
    assert effects.interaction.value == pytest.approx(
        accuracy[True, True] - accuracy[True, False] - accuracy[False, True] + accuracy[False, False]
    )
    for effect in (effects.gain, effects.stem, effects.pool, effects.interaction):
        assert effect.low <= effect.value + 1e-12
        assert effect.value <= effect.high + 1e-12


@given(answers)
def test_shares_are_told_only_of_a_gain_that_is_told_and_then_add_up_to_one(four):
    effects = factorial_effects(by_changes(four))
    shares = effects.shares()
    assert (shares is None) == (effects.gain.low <= 0 <= effects.gain.high)
    assert shares is None or sum(shares.values()) == pytest.approx(1)


def test_shares_of_known_accuracies():
    correct = {changes: np.arange(1000) < hits for changes, hits in zip(CELLS, (500, 580, 520, 600), strict=True)}
    effects = factorial_effects(correct)
    assert effects.shares() == {"stem": pytest.approx(0.8), "pool": pytest.approx(0.2)}
    assert effects.interaction.value == pytest.approx(0)
    assert [row[-1] for row in factorial_effects_table(effects).rows] == ["80.0", "20.0", "100.0", ""]


def test_without_a_gain_the_shares_are_undetermined():
    generator = np.random.default_rng(0)
    effects = factorial_effects({changes: generator.random(1000) < 0.6 for changes in CELLS})
    assert effects.shares() is None
    assert [row[-1] for row in factorial_effects_table(effects).rows] == [*["undetermined"] * 3, ""]
    assert "share" not in effects.figures()["stem"]


def test_networks_are_told_apart_by_their_stem_in_any_order():
    arranged = arrange(FOUR)
    assert list(arranged) == list(CELLS)
    assert [each.name for each in arranged.values()] == ["1", "2", "3", "0"]


@pytest.mark.parametrize("networks", [FOUR[:3], [*FOUR[:3], FOUR[0]], [*FOUR, FOUR[0]]])
def test_a_combination_that_is_missing_or_double_is_one_sentence(networks):
    with pytest.raises(UserError, match=r"takes four networks.*0 \(3×3, stride 1, no max-pool\)"):
        arrange(networks)


def test_another_first_convolution_has_no_place():
    with pytest.raises(UserError, match="kernel 5, stride 1 has no place"):
        changes_of(Stem(kernel=5, stride=1, padding=2, maxpool=True))


def description(name: str, data: str = "same", **training) -> ModelDescription:
    params = {"lr": 0.1, "epochs": 3, "model": {"architecture": "resnet18", "stem": name, "standardise": True}}
    return ModelDescription(name, {}, [], (8, 8), [], [], {"params": params | training, "data": data})


def test_networks_that_differ_in_their_stem_alone_are_compared():
    check_comparable([description("one"), description("two")])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (description("two", epochs=5), "two was trained with epochs = 5, one with 3"),
        (description("two", data="other"), "two and one were trained on different images"),
        (
            description("two", model={"architecture": "resnet18", "stem": None, "standardise": False}),
            "two was trained with model",
        ),
    ],
)
def test_networks_that_differ_in_anything_else_are_refused(other, sentence):
    with pytest.raises(UserError, match=sentence):
        check_comparable([description("one"), other])


def test_the_study_trains_as_the_papers_does():
    root, study = (
        validate_params(yaml.safe_load((ROOT / folder / "params.yaml").read_text())).model_dump()
        for folder in (".", "studies/ablation")
    )
    for differing in ("models", "evaluate", "tracking"):
        del root[differing], study[differing]
    assert study == root
