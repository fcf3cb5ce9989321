"""The registry's networks: published sizes of all, gradients of each family's smallest, the stem, what is refused."""

import pytest
import torch
import torchvision
from torch import nn

from networks import MODIFIED, ShapesOnly, model
from tinyres.common.errors import UserError
from tinyres.models import build_network, count_parameters
from tinyres.models.architectures import OF_TORCHVISION, has_stem
from tinyres.models.classifier import classifier_layer

CLASSES = 7
AUXILIARY = {"inception_v3": 3_326_696}  # weights of the classifiers in the middle, which the published size counts
SMALL = [  # the smallest of each family, and the pixels that it needs
    *("cnn", "wide_resnet16_8", "resnet18", "resnet50", "resnext50_32x4d", "densenet121", "efficientnet_b0"),
    *("efficientnet_v2_s", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf"),
    *("shufflenet_v2_x0_5", "squeezenet1_1", "googlenet", "convnext_tiny", "swin_t", "swin_v2_t", "vit_b_32"),
    *("alexnet", "vgg11_bn", "inception_v3", "maxvit_t"),
]
SIZES = {"alexnet": 64, "inception_v3": 80, "maxvit_t": 224}
WITH_STEM = {  # and the max-pool's place in the network, where it has one
    "resnet18": "maxpool",
    "densenet121": "features.pool0",
    "shufflenet_v2_x0_5": "maxpool",
    "googlenet": "maxpool1",
    "squeezenet1_1": "features.2",
    "mobilenet_v2": None,
    "mobilenet_v3_small": None,
    "mnasnet0_5": None,
    "efficientnet_b0": None,
    "regnet_x_400mf": None,
    "convnext_tiny": None,
}


def shapes_of(name: str, classes: int, size: int) -> nn.Module:
    with ShapesOnly():
        return build_network(model(name), classes, (size, size)).to("meta")


def smallest_size(name: str) -> int:
    """Pixels of each side that torchvision says its published weights need; at least CIFAR's."""
    return max(32, *torchvision.models.get_model_weights(name).DEFAULT.meta["min_size"])


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_a_network_of_torchvision_has_its_published_size(name):
    size = smallest_size(name)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    network = shapes_of(name, 1000, size)
    assert count_parameters(network) == published - AUXILIARY.get(name, 0)
    _, last = classifier_layer(network)
    assert last.weight.shape[0] == 1000


@pytest.mark.parametrize(
    ("name", "millions", "classes"),
    [
        ("wide_resnet16_8", 11.0, 10),  # Zagoruyko and Komodakis (2016), table 5
        ("wide_resnet28_10", 36.5, 10),
        ("wide_resnet28_10", 36.5, 100),
    ],
)
def test_a_wide_resnet_has_its_published_size(name, millions, classes):
    assert round(count_parameters(shapes_of(name, classes, 32)) / 1e6, 1) == millions


def test_a_wide_resnet_as_counted_by_hand():
    def group(before: int, width: int, blocks: int) -> int:
        first = 2 * before + 9 * before * width + 2 * width + 9 * width * width + before * width
        return first + (blocks - 1) * (4 * width + 18 * width * width)

    expected = 9 * 3 * 16 + group(16, 128, 2) + group(128, 256, 2) + group(256, 512, 2) + 2 * 512 + 513 * 10
    assert count_parameters(shapes_of("wide_resnet16_8", 10, 32)) == expected


@pytest.mark.parametrize("name", SMALL)
def test_a_network_answers_finitely_and_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    size = SIZES.get(name, 32)
    network = build_network(model(name), CLASSES, (size, size))
    _, last = classifier_layer(network)
    if not last.weight.any():  # as vision transformers begin; what is below has no gradient in the first step
        nn.init.normal_(last.weight)
    logits = network(torch.randn(4, 3, size, size))
    assert logits.shape == (4, CLASSES)
    assert logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", ["cnn", "resnet18", "wide_resnet16_8"])
@pytest.mark.parametrize("size", [8, 28, 31])
def test_a_network_for_small_images_takes_any_size(name, size):
    network = build_network(model(name), CLASSES, (size, size))
    assert network(torch.rand(2, 3, size, size)).shape == (2, CLASSES)


def test_building_a_network_draws_weights_and_nothing_else():
    """The trial with an image of its size leaves the generator and the running statistics alone."""
    torch.manual_seed(5)
    expected = torchvision.models.resnet18(num_classes=CLASSES)
    after = torch.get_rng_state()
    torch.manual_seed(5)
    network = build_network(model("resnet18"), CLASSES, (32, 32))
    assert torch.equal(torch.get_rng_state(), after)
    assert network.training
    for name, value in expected.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


@pytest.mark.parametrize(("name", "pool"), WITH_STEM.items())
def test_a_stem_is_the_first_convolution_and_the_pool_after_it(name, pool):
    before, after = (build_network(model(name, stem=stem), CLASSES, (32, 32)) for stem in (None, MODIFIED))
    assert list(after.state_dict()) == list(before.state_dict())
    first = next(layer for layer in after.modules() if isinstance(layer, nn.Conv2d))
    assert (first.kernel_size, first.stride, first.padding) == ((3, 3), (1, 1), (1, 1))
    rest = [value.shape for value in after.state_dict().values()][1:]
    assert rest == [value.shape for value in before.state_dict().values()][1:]
    fan_out = 9 * first.out_channels
    assert first.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.2)
    if pool is not None:
        assert isinstance(before.get_submodule(pool), nn.MaxPool2d)
        assert isinstance(after.get_submodule(pool), nn.Identity)
        kept = build_network(model(name, stem=MODIFIED | {"maxpool": True}), CLASSES, (32, 32))
        assert isinstance(kept.get_submodule(pool), nn.MaxPool2d)
    else:
        with pytest.raises(UserError, match="there is no max-pool after the first convolution; set it to false"):
            build_network(model(name, stem=MODIFIED | {"maxpool": True}), CLASSES, (32, 32))


@pytest.mark.parametrize("name", ["cnn", "wide_resnet16_8", "wide_resnet28_10", "vit_b_16", "swin_t"])
def test_a_stem_for_a_network_without_one_to_choose_is_refused(name):
    assert not has_stem(name)
    with pytest.raises(UserError, match=f"{name} has no stem to choose; set its stem to null"):
        build_network(model(name, stem=MODIFIED), CLASSES, (32, 32))


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 32), ("inception_v3", 32), ("maxvit_t", 32), ("vit_h_14", 32), ("vit_b_16", 8)]
)
def test_images_of_a_size_that_a_network_cannot_take_are_refused(name, size):
    with pytest.raises(UserError, match=rf"^{name} takes no images of {size}×{size} pixels \(.+\); set "):
        shapes_of(name, CLASSES, size)


def test_a_stem_can_make_a_network_take_small_images():
    with ShapesOnly():
        network = build_network(model("alexnet", stem=MODIFIED), CLASSES, (32, 32)).to("meta")
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, CLASSES)


@pytest.mark.parametrize(("wrong", "right"), [("resnet19", "resnet18"), ("wide_resnet16_4", "wide_resnet16_8")])
def test_an_unknown_network_is_refused_with_the_nearest_name(wrong, right):
    with pytest.raises(UserError, match=f"There is no network '{wrong}'; did you mean '{right}'?"):
        build_network(model(wrong), CLASSES, (32, 32))
