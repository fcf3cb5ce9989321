"""The two networks are the paper's, and a model folder holds all of a model."""

import json
from dataclasses import replace

import pytest
import torch

from networks import MODIFIED, STANDARD, model
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.models import build, count_parameters, load_model, save_model
from tinyres.models.cnn import cnn
from tinyres.params import read_params


def describe(stem: dict, classes: int = 100) -> ModelDescription:
    names = [f"class_{number}" for number in range(classes)]
    spec = model("resnet18", stem=stem).model_dump()
    return ModelDescription("net", spec, names, (32, 32), [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], {})


@pytest.mark.parametrize(("stem", "parameters"), [(STANDARD, 11_227_812), (MODIFIED, 11_220_132)])
def test_parameter_counts_with_100_classes(stem, parameters):
    assert count_parameters(build(describe(stem))) == parameters


@pytest.mark.parametrize(("stem", "size"), [(STANDARD, 8), (MODIFIED, 32)])
def test_feature_map_after_the_stem(stem, size):
    network = build(describe(stem)).network
    stem_output = network.maxpool(network.relu(network.bn1(network.conv1(torch.rand(2, 3, 32, 32)))))
    assert stem_output.shape == (2, 64, size, size)


def test_the_reports_network_layer_by_layer():
    network = cnn(5, (32, 32))
    with_weights = [layer for layer in network if count_parameters(layer)]
    assert [count_parameters(layer) for layer in with_weights] == [416, 8_256, 1_048_832, 32_896, 645]
    assert count_parameters(network) == 1_091_045
    assert all(layer.bias.abs().sum() == 0 for layer in with_weights)
    bounds = [(6 / (12 + 128)) ** 0.5, (6 / (128 + 256)) ** 0.5, (6 / (4096 + 256)) ** 0.5]  # Glorot and Bengio, 2010
    for layer, bound in zip(with_weights, bounds, strict=False):
        assert 0.95 * bound < layer.weight.abs().max() <= bound


def test_same_padding_is_at_the_right_and_bottom():
    pool = torch.nn.Sequential(*cnn(5, (32, 32))[2:4])
    image = torch.tensor([[[[-1.0, -2.0], [-3.0, -4.0]]]])
    assert torch.equal(pool(image), torch.tensor([[[[-1.0, -2.0], [-3.0, -4.0]]]]))


def test_the_params_file_holds_the_papers_two_stems():
    models = read_params("models", file="params.yaml").models
    assert models["baseline"].stem.model_dump() == STANDARD
    assert models["modified"].stem.model_dump() == MODIFIED


def test_a_model_folder_brings_back_the_same_outputs(tmp_path):
    description = describe(MODIFIED, classes=5)
    classifier = build(description).eval()
    save_model(tmp_path / "net", classifier, description)
    loaded, read_back = load_model(tmp_path / "net")
    pixels = torch.rand(3, 3, 32, 32)
    assert torch.equal(loaded(pixels), classifier(pixels))
    assert torch.equal(loaded.penultimate(pixels) @ loaded.network.fc.weight.T + loaded.network.fc.bias, loaded(pixels))
    assert read_back == description


def test_a_model_from_before_there_was_regularisation_still_loads(tmp_path):
    description = describe(MODIFIED, classes=5)
    first = ("architecture", "stem", "standardise")
    description = replace(description, spec={key: description.spec[key] for key in first})
    classifier = build(description).eval()
    save_model(tmp_path / "net", classifier, description)
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(load_model(tmp_path / "net")[0](pixels), classifier(pixels))


def test_features_of_a_network_whose_classifier_is_a_convolution_are_its_mean_input():
    spec = model("squeezenet1_1").model_dump()
    classifier = build(ModelDescription("net", spec, ["a", "b"], (32, 32), [0.5] * 3, [0.25] * 3, {})).eval()
    pixels = torch.rand(3, 3, 32, 32)
    expected = classifier.network.features(classifier.normalise(pixels)).mean(dim=(2, 3))
    assert torch.allclose(classifier.penultimate(pixels), expected)


def test_normalisation_is_inside_the_model_and_not_among_its_weights(tmp_path):
    description = describe(STANDARD, classes=5)
    classifier = build(description)
    save_model(tmp_path / "net", classifier, description)
    pixels = torch.rand(2, 3, 4, 4)
    expected = (pixels - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    assert torch.allclose(classifier.normalise(pixels), expected, atol=1e-6)
    assert "mean" not in classifier.state_dict()
    assert json.loads((tmp_path / "net/model.json").read_text())["mean"] == [0.5, 0.4, 0.3]


def test_a_damaged_model_is_refused_in_one_sentence(tmp_path):
    description = describe(STANDARD, classes=5)
    save_model(tmp_path / "net", build(description), description)
    weights = tmp_path / "net/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(tmp_path / "net")
    (tmp_path / "net/model.json").unlink()
    with pytest.raises(UserError, match="describes no model"):
        load_model(tmp_path / "net")
