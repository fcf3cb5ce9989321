"""Curves of trainings with the kernels: no further from torch's than those of weights changed in their last digits."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from small_training import digits
from tinyres.convolutions import Unavailable, kernels
from tinyres.models.accelerated import accelerate

try:
    kernels()
except Unavailable as reason:
    pytest.skip(f"no kernels: {reason}", allow_module_level=True)

STEPS, BATCH = 200, 16
PERTURBATION = 1e-7  # of each weight, relative: the last binary digit of float32
IMAGES = digits(100)


def network(modified: bool) -> nn.Module:
    torch.manual_seed(0)
    network = resnet18(num_classes=10)
    if modified:
        network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return network.to(memory_format=torch.channels_last)


def perturb(network: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + PERTURBATION * torch.randn(weight.shape, generator=generator))
    return network


def losses(network: nn.Module) -> Tensor:
    """Of every step of a training on handwritten digits."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(STEPS):
        batch = torch.randint(0, len(IMAGES), (BATCH,), generator=generator)
        loss = F.cross_entropy(network(IMAGES.images[batch] / 255), IMAGES.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return torch.tensor(found)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On maps of 8×8 a second thread costs more than it brings; test_convolutions compares numbers of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("modified", [False, True], ids=["standard", "modified"])
def test_a_curve_differs_from_torchs_as_after_a_change_of_the_weights_last_digits(modified):
    ours = losses(accelerate(network(modified)))
    assert ours[-20:].mean() < 0.5 * ours[:20].mean()
    perturbed = [losses(accelerate(perturb(network(modified), seed))) for seed in (0, 1)]
    usual = max((each - ours).abs().mean() for each in perturbed)
    # On maps of 8×8 torch is faster with contiguous weights than in channels_last.
    torchs = losses(network(modified).to(memory_format=torch.contiguous_format))
    assert (torchs - ours).abs().mean() <= 1.5 * usual
