"""The temperature of a softmax minimises the loss on validation images, and is kept beside the model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from tinyres.cli.serving import ServedModel
from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.assessment import assess
from tinyres.evaluation.calibration import error_interval
from tinyres.evaluation.card_folder import card_folder, read_temperature, write_temperature
from tinyres.evaluation.temperature import HIGHEST, fit_temperature, scaled_figures
from tinyres.models import build, save_model


def confident_by(factor: float, images: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the softmax of some logits, and these logits times a factor."""
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(images, 6))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > generator.random((images, 1))).argmax(axis=1)
    return (factor * logits).astype(np.float32), labels


@settings(max_examples=20)
@given(st.floats(0.2, 8))
def test_the_temperature_undoes_what_multiplied_the_logits(factor):
    at_one = fit_temperature(*confident_by(1))
    assert at_one == pytest.approx(1, abs=0.1)
    assert fit_temperature(*confident_by(factor)) == pytest.approx(factor * at_one, rel=1e-4)


def test_no_other_temperature_has_a_lower_loss():
    logits, labels = confident_by(3, images=300)
    best = fit_temperature(logits, labels)
    loss = assess(logits / np.float32(best), labels).loss
    for other in (0.2, 0.98 * best, 1.02 * best, 15):
        assert assess(logits / np.float32(other), labels).loss > loss


def test_a_network_without_a_best_temperature_gets_the_last_one_allowed():
    labels = np.arange(6)
    assert fit_temperature(np.eye(6, dtype=np.float32), labels) == pytest.approx(1 / HIGHEST, rel=1e-3)
    assert fit_temperature(-np.eye(6, dtype=np.float32), labels) == pytest.approx(HIGHEST, rel=1e-3)


def test_scaling_mends_the_calibration_and_moves_no_prediction():
    logits, labels = confident_by(3)
    before, after = assess(logits, labels).figures(), scaled_figures(logits, labels, fit_temperature(logits, labels))
    assert after["test_scaled_ece_high"] < before["test_ece_low"]
    assert after["test_scaled_loss"] < before["test_loss"]
    assert (assess(logits / np.float32(3), labels).predicted == assess(logits, labels).predicted).all()


def test_the_interval_covers_the_error_of_many_images_in_most_samples():
    confidence = np.repeat([0.55, 0.7, 0.85, 0.95], 50)
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(30):  # the share that is right falls short of the confidence by 0.2 throughout
        low, high = error_interval(confidence, generator.random(200) < confidence - 0.2)
        covered += low <= 0.2 <= high
    assert covered >= 25


def test_the_interval_of_a_calibrated_network_begins_at_0():
    """Percentiles of resamples would begin above it, since chance opens gaps in each of them."""
    confidence = np.repeat([0.55, 0.7, 0.85, 0.95], 50)
    right = np.random.default_rng(1).random(200) < confidence
    assert error_interval(confidence, right)[0] == 0


def test_one_image_tells_nothing_about_the_calibration():
    assert error_interval(np.array([0.7]), np.array([True])) == (0, 1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    spec = {"architecture": "cnn", "stem": None, "standardise": True}
    description = ModelDescription("net", spec, ["a", "b", "c"], (8, 8), [0.5] * 3, [0.2] * 3, {})
    torch.manual_seed(0)
    save_model(tmp_path / "models/net", build(description), description)
    return tmp_path / "models/net"


def test_predictions_use_the_temperature_and_the_model_folder_stays_as_it_is(model):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    files = {file.name: file.read_bytes() for file in model.iterdir()}
    plain = ServedModel(model).predict(images)
    write_temperature(model, 2.5)
    scaled = ServedModel(model).predict(images)
    assert scaled == pytest.approx(softmax(np.log(plain) / 2.5, axis=1), abs=1e-6)
    assert (scaled.max(axis=1) < plain.max(axis=1) - 1e-3).all()
    assert {file.name: file.read_bytes() for file in model.iterdir()} == files


def test_a_temperature_counts_only_for_the_weights_that_it_was_fitted_to(model):
    assert read_temperature(model) == 1
    write_temperature(model, 2.5)
    assert read_temperature(model) == 2.5
    with (model / "model.safetensors").open("ab") as weights:
        weights.write(b"retrained")
    assert read_temperature(model) == 1


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"temperature": "hot"}), "[]"])
def test_a_damaged_temperature_is_one_sentence(model, content):
    file = card_folder(model) / "temperature.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(UserError, match=r"temperature\.json is damaged \(.*\); write it again with `dvc repro -f eval"):
        read_temperature(model)
