"""Dropout before the classifier and stochastic depth: what they change, and that off is as if they were not there."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from networks import MODIFIED, ShapesOnly, model
from tinyres.common.errors import UserError
from tinyres.models import build_network
from tinyres.models.classifier import classifier_layer

SIZE = (32, 32)


def network(architecture: str, **changes) -> nn.Module:
    """With the same fresh weights each time."""
    torch.manual_seed(0)
    return build_network(model(architecture, **changes), 5, SIZE)


def skips(built: nn.Module) -> list[StochasticDepth]:
    return [layer for layer in built.modules() if isinstance(layer, StochasticDepth)]


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [(name, {"dropout": 0.4}) for name in ("resnet18", "wide_resnet16_8", "squeezenet1_1", "mobilenet_v3_small", "cnn")]
    + [(name, {"stochastic_depth": 0.4}) for name in ("resnet18", "wide_resnet16_8", "efficientnet_b0")],
)
def test_weights_and_answers_of_a_trained_network_do_not_depend_on_regularisation(architecture, changes):
    plain, regularised = network(architecture).eval(), network(architecture, **changes).eval()
    assert list(plain.state_dict()) == list(regularised.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(regularised.state_dict()[name], value), name
    images = torch.randn(2, 3, *SIZE)
    assert torch.equal(regularised(images), plain(images))


@pytest.mark.parametrize("architecture", ["resnet18", "densenet121", "wide_resnet16_8"])
def test_off_is_the_network_itself(architecture):
    built = network(architecture)
    assert not any(isinstance(layer, nn.Dropout | StochasticDepth) for layer in built.modules())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in built.modules())


@pytest.mark.parametrize("architecture", ["resnet18", "wide_resnet16_8", "vit_b_32"])
def test_dropout_acts_on_the_classifiers_input(architecture):
    """Each feature is 0, or 1 / (1 − p) times what it is without, so that the mean stays."""
    built = network(architecture, dropout=0.25)
    _, last = classifier_layer(built)
    given = {}
    last.dropout.register_forward_hook(lambda _, inputs, output: given.update(before=inputs[0], after=output))
    logits = built(torch.randn(8, 3, *SIZE))
    before, after = given["before"], given["after"]
    dropped = after == 0
    assert 0.15 < dropped[before != 0].double().mean() < 0.35
    assert torch.allclose(after[~dropped], before[~dropped] / 0.75)
    assert torch.equal(logits, nn.functional.linear(after, last.weight, last.bias))


@pytest.mark.parametrize(("architecture", "count"), [("cnn", 2), ("vgg11", 2), ("efficientnet_b0", 1)])
@pytest.mark.parametrize("probability", [0, 0.3])
def test_a_network_with_dropouts_of_its_own_gets_the_probability_there(architecture, count, probability):
    with ShapesOnly():
        built = network(architecture, dropout=probability)
    assert [layer.p for layer in built.modules() if isinstance(layer, nn.Dropout)] == [probability] * count


def test_the_reports_network_is_random_in_training_only_with_dropout():
    images = torch.randn(8, 3, *SIZE)
    for probability, same in [(0, True), (0.5, False)]:
        built = network("cnn", dropout=probability)
        assert torch.equal(built(images), built(images)) == same


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [
        ("resnet18", 8),
        ("resnet34", 16),
        ("resnet50", 16),
        ("wide_resnet16_8", 6),
        ("regnet_x_400mf", 22),
        ("convnext_tiny", 18),
        ("swin_t", 12),
        ("efficientnet_b0", 16),
    ],
)
def test_the_probability_of_a_skip_rises_linearly_over_the_blocks(architecture, blocks):
    probabilities = [layer.p for layer in skips(network(architecture, stochastic_depth=0.5))]
    assert probabilities == pytest.approx([0.5 * number / blocks for number in range(1, blocks + 1)])
    assert all(layer.mode == "row" for layer in skips(network(architecture, stochastic_depth=0.5)))


@pytest.mark.parametrize("architecture", ["convnext_tiny", "efficientnet_b0", "swin_t"])
def test_a_network_with_stochastic_depth_of_its_own_has_none_when_it_is_off(architecture):
    assert {layer.p for layer in skips(network(architecture))} == {0}


@pytest.mark.parametrize("architecture", ["cnn", "vgg11", "densenet121", "squeezenet1_1"])
def test_stochastic_depth_without_residual_blocks_is_refused(architecture):
    with (
        ShapesOnly(),
        pytest.raises(UserError, match=f"{architecture}: stochastic_depth is 0.1, but .* no residual blocks"),
    ):
        network(architecture, stochastic_depth=0.1)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50", "wide_resnet16_8"])
def test_a_block_is_skipped_for_some_images_and_for_the_others_raised(architecture):
    """Each image's branch is 0 or 1 / (1 − p) times what it is without, so that the mean stays."""
    built = network(architecture, stochastic_depth=0.5).train()
    last = [block for block in built.modules() if any(layer in skips(built) for layer in block.children())][-1]
    branches = {}
    (skip,) = skips(last)
    skip.register_forward_hook(lambda _, given, output: branches.update(before=given[0], after=output.clone()))
    built(torch.randn(64, 3, *SIZE))
    skipped = (branches["after"] == 0).flatten(1).all(dim=1)
    assert 10 < skipped.sum() < 54
    assert torch.allclose(branches["after"][~skipped], 2 * branches["before"][~skipped])


def test_a_copy_of_a_network_is_regularised_by_its_own_layers():
    """As the moving average of the weights is: it is evaluated while the network trains."""
    built = network("resnet18", stem=MODIFIED, dropout=0.5, stochastic_depth=0.5)
    copy = deepcopy(built).eval()
    images = torch.randn(2, 3, *SIZE)
    assert torch.equal(copy(images), copy(images))
    assert not torch.equal(built.train()(images), built(images))
