"""Grad-CAM is what its paper defines, with our kernels as with torch's; `tinyres predict --explain` draws it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import nn

from tinyres.cli.explanation import heat_maps, last_spatial_layer
from tinyres.cli.main import main
from tinyres.cli.serving import ServedModel
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.common.pixels import channels_first, in_unit_range
from tinyres.models import Classifier, build, load_model, save_model

CLASSES = ["ant", "bee", "cat"]
SMALL_STEM = {"kernel": 3, "stride": 1, "padding": 1, "maxpool": False}
FLOWER = load_sample_image("flower.jpg")
IMAGES = np.stack([FLOWER[100:132, left : left + 32] for left in (100, 200, 300)])
LABELS = [0, 2, 1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: the modified ResNet-18 with random weights."""
    spec = {"architecture": "resnet18", "stem": SMALL_STEM, "standardise": True}
    description = ModelDescription("net", spec, CLASSES, (32, 32), [0.5] * 3, [0.2] * 3, {})
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("study") / "models/net"
    save_model(folder, build(description), description)
    return folder


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
    assert heat_maps(ServedModel(model), IMAGES, LABELS) == pytest.approx(by_definition(classifier), abs=1e-4)


def test_another_class_has_another_map(model):
    served = ServedModel(model)
    assert np.abs(heat_maps(served, IMAGES, LABELS) - heat_maps(served, IMAGES, [1, 0, 2])).max() > 0.1


def test_an_explained_network_predicts_as_before(model):
    served = ServedModel(model)
    before = served.predict(IMAGES)
    heat_maps(served, IMAGES, LABELS)
    assert np.array_equal(served.predict(IMAGES), before)
    assert not any(layer._forward_hooks for layer in served.classifier.modules())


def test_the_layer_is_the_last_one_with_several_positions():
    spec = {"architecture": "resnet18", "stem": None, "standardise": True}
    description = ModelDescription("net", spec, CLASSES, (32, 32), [0.5] * 3, [0.2] * 3, {})
    classifier = build(description).eval()
    assert last_spatial_layer(classifier, torch.zeros(1, 3, 64, 64)) is classifier.network.layer4
    assert last_spatial_layer(classifier, torch.zeros(1, 3, 32, 32)) is classifier.network.layer3  # layer4 is 1×1


def test_a_network_without_spatial_layers_is_refused():
    flat = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), [0.5] * 3, [0.2] * 3)
    with pytest.raises(UserError, match="works only for networks whose layers have a height and a width"):
        last_spatial_layer(flat, torch.zeros(1, 3, 4, 4))


def predict(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> str | int | None:
    monkeypatch.setattr(sys, "argv", ["tinyres", "predict", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command_draws_a_map(model, tmp_path, monkeypatch):
    Image.fromarray(FLOWER).save(tmp_path / "flower.png")
    assert predict(monkeypatch, model, tmp_path / "flower.png", "--explain", tmp_path / "map.png") == 0
    assert Image.open(tmp_path / "map.png").size[0] > 300


def test_without_captum_one_sentence_says_what_to_install(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    Image.fromarray(FLOWER).save(tmp_path / "flower.png")
    ended = predict(monkeypatch, model, tmp_path / "flower.png", "--explain", tmp_path / "map.png")
    assert ended == "error: --explain needs the package Captum; install it with `pip install captum`."
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "map.png").exists()
