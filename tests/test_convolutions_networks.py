"""Accelerated networks: the same parameters, hooks and answers as before, to rounding."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from tinyres.convolutions import Unavailable, functional, kernels
from tinyres.models.accelerated import accelerate
from tinyres.models.cnn import cnn
from tinyres.models.regularisation import set_stochastic_depth
from tinyres.models.wide_resnet import WideResNet

try:
    kernels()
except Unavailable as reason:
    pytest.skip(f"no kernels: {reason}", allow_module_level=True)


def row() -> nn.Module:
    """Convolutions with biases, and max-pooling."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Conv2d(48, 32, 3), nn.Flatten(), nn.Linear(32 * 6 * 6, 10))


def resnet(block=BasicBlock) -> nn.Module:
    """One block in each of the four groups, with the stem for small images."""
    torch.manual_seed(0)
    network = ResNet(block, [1, 1, 1, 1], num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


NETWORKS = {
    "basic blocks": resnet,
    "bottlenecks": lambda: resnet(Bottleneck),
    "wide blocks": lambda: (torch.manual_seed(0), WideResNet(10, 2, 10))[1],
    "convolutions in a row": row,
    "the report's CNN": lambda: (torch.manual_seed(0), cnn(10, (16, 16)))[1],
}


@pytest.fixture(params=NETWORKS, name="build")
def _build(request):
    return NETWORKS[request.param]


def step(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Loss, all gradients and all buffers after a training step."""
    network.zero_grad()
    torch.manual_seed(2)
    loss = F.cross_entropy(network(images), torch.arange(len(images), device=images.device) % 10)
    loss.backward()
    gradients = {f"{name}'s gradient": each.grad for name, each in network.named_parameters() if each.requires_grad}
    return {"loss": loss.detach(), **gradients, **dict(network.named_buffers())}


def assert_equal_to_rounding(found, exact, tolerance=2e-3):
    """Every tensor by its norm: a ReLU whose input is nearly zero may fall either way."""
    assert found.keys() == exact.keys()
    for name, one in found.items():
        true = exact[name].double()
        assert (one.double() - true).norm() <= tolerance * true.norm() + 1e-5, name


def test_a_training_step_is_that_of_float64_to_rounding(build):
    images = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    exact = step(build().double(), images.double())
    assert_equal_to_rounding(step(accelerate(build()), images), exact, tolerance=0.03)


def test_answers_in_evaluation_are_the_same_to_rounding(build):
    network = build()
    for _ in range(2):
        network(torch.randn(16, 3, 16, 16))
    network.eval()
    images = torch.randn(16, 3, 16, 16)
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(accelerate(network)(images), expected, rtol=1e-3, atol=1e-4)


def test_the_kernels_are_used(build, monkeypatch):
    called = []

    def run(name, *arguments, run=functional.run):
        called.append(name)
        run(name, *arguments)

    monkeypatch.setattr(functional, "run", run)
    step(accelerate(build()), torch.randn(64, 3, 16, 16))
    assert {"forward", "weight_gradient", "image_gradient"} <= {name.partition("_")[2] for name in called}


def test_parameters_keep_their_names_and_copies_their_speed(build):
    network = accelerate(build())
    assert list(network.state_dict()) == list(build().state_dict())
    copy = deepcopy(network)
    assert [type(layer) for layer in copy.modules()] == [type(layer) for layer in network.modules()]
    assert type(accelerate(network)) is type(copy)


def test_every_hook_fires(build):
    def called_by(network):
        names = []
        for name, layer in network.named_modules():
            layer.register_forward_hook(lambda *_, name=name: names.append(name))
        network(torch.randn(2, 3, 16, 16))
        return sorted(names)  # a shortcut may come before the last norm of its branch

    assert called_by(accelerate(build())) == called_by(build())


def test_blocks_are_skipped_at_random_as_before():
    images = torch.randn(16, 3, 16, 16)

    def answers(change):
        network = change(resnet())
        torch.manual_seed(1)
        return network(images)

    def shallow(network):
        set_stochastic_depth(network, 0.9)
        return network

    torch.testing.assert_close(answers(lambda n: accelerate(shallow(n))), answers(shallow), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(answers(shallow), answers(lambda n: n), atol=1e-2)


def test_frozen_layers_get_no_gradient_and_keep_their_statistics():
    network = accelerate(resnet())
    for each in network.layer1.parameters():
        each.requires_grad_(False)
    network.layer1.eval()
    before = deepcopy(network.layer1.state_dict())
    step(network, torch.randn(8, 3, 16, 16))
    assert all(each.grad is None for each in network.layer1.parameters())
    assert network.conv1.weight.grad.any()
    assert all(torch.equal(value, before[name]) for name, value in network.layer1.state_dict().items())


def test_a_float64_network_is_torchs_to_the_bit():
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    found, expected = step(accelerate(resnet().double()), images), step(resnet().double(), images)
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_layers_of_another_kind_stay_as_they_are():
    layers = [
        *(nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"), nn.Conv2d(16, 16, 3, padding="same")),
        *(nn.Conv2d(16, 16, 3, dilation=2), nn.Conv2d(16, 16, 3, groups=2), nn.Conv2d(16, 24, 3)),
    ]
    images = torch.randn(4, 16, 12, 12)
    for layer in layers:
        expected = layer(images)
        assert torch.equal(accelerate(layer)(images), expected)


def test_an_accelerated_network_can_be_exported():
    network = accelerate(resnet().eval())
    images = torch.randn(4, 3, 16, 16)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images), rtol=1e-3, atol=1e-3)
