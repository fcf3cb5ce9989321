"""Grad-CAM is what its paper defines, with our kernels as with torch's; `tinyres predict --explain` draws it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import nn

from tinyres.cli.main import main
from tinyres.cli.serving import ServedModel
from tinyres.common.model_folder import ModelDescription
from tinyres.common.pixels import channels_first, in_unit_range
from tinyres.evaluation.explanation import heat_maps, last_spatial_layer
from tinyres.figures.images import beside_its_map
from tinyres.models import Classifier, build, load_model, save_model

CLASSES = ["ant", "bee", "cat"]
SMALL_STEM = {"kernel": 3, "stride": 1, "padding": 1, "maxpool": False}
FLOWER = load_sample_image("flower.jpg")
IMAGES = np.stack([FLOWER[100:132, left : left + 32] for left in (100, 200, 300)])
LABELS = [0, 2, 1]


def description_of(architecture: str, size: int, stem: dict | None = None) -> ModelDescription:
    """A network for images of so many pixels."""
    spec = {"architecture": architecture, "stem": stem, "standardise": True}
    return ModelDescription("net", spec, CLASSES, (size, size), [0.5] * 3, [0.2] * 3, {})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: the modified ResNet-18 with random weights."""
    description = description_of("resnet18", 32, SMALL_STEM)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("study") / "models/net"
    save_model(folder, build(description), description)
    return folder


def maps_of(model: ServedModel, labels: list[int] = LABELS, images: np.ndarray = IMAGES) -> np.ndarray | None:
    return heat_maps(model.classifier, images, labels, model.machine)


def by_definition(classifier: Classifier) -> np.ndarray:
    """Equations 1 and 2 of the paper on `layer4` of torch's own network, largest value 1."""
    pixels = in_unit_range(channels_first(IMAGES))
    activations: list[torch.Tensor] = []
    hook = classifier.network.layer4.register_forward_hook(lambda *each: activations.append(each[2]))
    scores = classifier(pixels)[range(3), LABELS]
    hook.remove()
    (gradients,) = torch.autograd.grad(scores.sum(), activations)
    maps = (gradients.mean(dim=(2, 3), keepdim=True) * activations[0]).sum(dim=1, keepdim=True).relu()
    maps = nn.Upsample((32, 32), mode="bilinear")(maps)[:, 0].detach()
    return (maps / maps.amax(dim=(1, 2), keepdim=True)).numpy()


def test_maps_are_those_of_the_definition_whatever_computes_the_convolutions(model):
    """`ServedModel` uses our kernels where the machine has them: hooks and gradients pass through them."""
    classifier, _ = load_model(model)
    assert maps_of(ServedModel(model)) == pytest.approx(by_definition(classifier), abs=1e-4)


def test_another_class_has_another_map(model):
    served = ServedModel(model)
    assert np.abs(maps_of(served) - maps_of(served, [1, 0, 2])).max() > 0.1


def test_an_explained_network_predicts_as_before(model):
    served = ServedModel(model)
    before = served.predict(IMAGES)
    maps_of(served)
    assert np.array_equal(served.predict(IMAGES), before)
    assert not any(layer._forward_hooks for layer in served.classifier.modules())


def test_a_map_is_the_same_to_the_byte(model):
    assert maps_of(ServedModel(model)).tobytes() == maps_of(ServedModel(model)).tobytes()


@pytest.mark.parametrize(
    ("architecture", "size", "stem", "layer"),
    [
        ("resnet18", 64, None, "layer4"),
        ("resnet18", 32, None, "layer3"),  # layer4 is 1×1
        ("resnet18", 28, SMALL_STEM, "layer4"),
        ("resnet18", 8, None, "layer1"),
        ("cnn", 32, None, "7"),
        ("cnn", 28, None, "7"),
        ("cnn", 8, None, "7"),
        ("swin_t", 32, None, "features.0.0"),  # what follows ends in the channels, until it is 1×1
        ("swin_v2_t", 32, None, "features.0.0"),  # its table of positions has four dimensions, too
    ],
)
def test_the_layer_is_the_last_one_with_several_positions(architecture, size, stem, layer):
    classifier = build(description_of(architecture, size, stem)).eval()
    found = last_spatial_layer(classifier, torch.zeros(1, 3, size, size))
    assert found is classifier.network.get_submodule(layer)


def test_a_position_that_pooling_repeats_counts_as_one():
    """As in VGG on 32×32 pixels."""
    layers = [nn.Conv2d(3, 4, 2), nn.Conv2d(4, 4, 2, stride=2), nn.AdaptiveAvgPool2d(7), nn.Flatten()]
    classifier = Classifier(nn.Sequential(*layers), [0.5] * 3, [0.2] * 3)
    assert last_spatial_layer(classifier, torch.zeros(1, 3, 4, 4)) is classifier.network[0]


def test_a_network_without_spatial_layers_has_no_map(tmp_path, monkeypatch):
    """On four pixels, which leave the stem one position."""
    description = description_of("resnet18", 2)
    save_model(tmp_path / "models/net", build(description), description)
    assert maps_of(ServedModel(tmp_path / "models/net"), images=IMAGES[:, :2, :2]) is None
    Image.fromarray(FLOWER).save(tmp_path / "flower.png")
    ended = predict(monkeypatch, tmp_path / "models/net", tmp_path / "flower.png", "--explain", tmp_path / "map.png")
    assert ended == "error: --explain works only for networks whose layers have a height and a width; leave it out."
    assert not (tmp_path / "map.png").exists()


def test_a_map_brightens_what_speaks_for_the_class_and_leaves_the_image_beside_it_alone():
    heat = np.zeros((32, 32), np.float32)
    heat[:16] = 1
    both = beside_its_map(IMAGES[0], heat)
    assert np.array_equal(both[:, :32], IMAGES[0])
    grey = IMAGES[0].mean(axis=2)
    brighter = both[:, -32:].max(axis=2) - grey
    assert (brighter[:16] > brighter[16:].max()).mean() > 0.9


def predict(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> str | int | None:
    monkeypatch.setattr(sys, "argv", ["tinyres", "predict", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command_draws_a_map(model, tmp_path, monkeypatch):
    Image.fromarray(FLOWER).save(tmp_path / "flower.png")
    assert predict(monkeypatch, model, tmp_path / "flower.png", "--explain", tmp_path / "map.png") == 0
    assert Image.open(tmp_path / "map.png").size[0] > 300
