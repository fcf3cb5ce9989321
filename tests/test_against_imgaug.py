"""The offline operations against the real imgaug 0.4.0, with which the report made its copies.

`imgaug.json` holds what imgaug made of small images with fixed parameters; `record_imgaug.py` recorded it.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import stats

from tinyres.copies.noise import spectral_noise, upscaled
from tinyres.copies.operations import (
    Operation,
    add_to_hue,
    add_to_saturation,
    add_to_value,
    blend,
    contrast,
    flip,
    gaussian_blur,
    multiply,
    sharpen,
)

RECORD = json.loads(Path(__file__).with_name("imgaug.json").read_text())
INTERPOLATIONS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


def recorded(operation: str) -> list:
    """The cases of one operation: its parameters and imgaug's result."""
    return [
        pytest.param(case["parameters"], np.array(case["result"]), id=name_of(case["parameters"]))
        for case in RECORD[operation]
    ]


def name_of(parameters: list) -> str | None:
    """The parameters that are no arrays."""
    return " ".join(str(each) for each in parameters if not isinstance(each, list)) or None


def result_of(operation: Operation, image: str = "coloured") -> np.ndarray:
    return operation(np.array([RECORD["images"][image]], np.uint8), np.random.default_rng(0))[0]


def only(value: float) -> tuple[float, float]:
    """A range that holds one value."""
    return value, value


def test_the_record_is_of_the_version_whose_operations_these_are():
    assert RECORD["versions"]["imgaug"] == "0.4.0"


@pytest.mark.parametrize(("parameters", "expected"), recorded("flip"))
def test_flip(parameters, expected):
    assert np.array_equal(result_of(flip), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("gaussian_blur"))
def test_blur_has_imgaugs_kernel_width(parameters, expected):
    assert np.array_equal(result_of(gaussian_blur(only(*parameters)), "stripe"), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("sharpen"))
def test_sharpen(parameters, expected):
    alpha, lightness = parameters
    assert np.array_equal(result_of(sharpen(only(alpha), only(lightness)), "faint"), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("add_to_hue"))
def test_hue_wraps_above_179_and_is_clipped_at_0(parameters, expected):
    assert np.array_equal(result_of(add_to_hue(only(*parameters))), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("add_to_saturation"))
def test_saturation_is_clipped(parameters, expected):
    assert np.array_equal(result_of(add_to_saturation(only(*parameters))), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("add_to_value"))
def test_value_is_clipped_and_what_is_added_to_it_is_rounded_half_to_even(parameters, expected):
    assert np.array_equal(result_of(add_to_value(only(*parameters))), expected)


@pytest.mark.parametrize(("parameters", "counts"), recorded("counts"))
def test_the_ends_of_a_range_of_whole_numbers_are_half_as_likely(parameters, counts):
    low, high = parameters
    pixels = np.full((counts.sum(), 1, 1, 3), 100, np.uint8)
    added = add_to_value((low, high))(pixels, np.random.default_rng(1))[:, 0, 0, 0].astype(int) - 100
    likely = np.array([0.5, *[1] * (high - low - 1), 0.5]) / (high - low)
    for each in (counts, np.bincount(added - low)):
        assert stats.chisquare(each, likely * counts.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("parameters", "expected"), recorded("multiply"))
def test_multiply(parameters, expected):
    assert np.array_equal(result_of(multiply(only(*parameters))), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("contrast"))
def test_contrast(parameters, expected):
    assert np.array_equal(result_of(contrast(only(*parameters))), expected)


@pytest.mark.parametrize(("parameters", "expected"), recorded("noise_layer"))
def test_a_layer_of_noise_is_scaled_up_between_bytes(parameters, expected):
    factors, turns, exponent, interpolation = parameters
    small = spectral_noise(np.array([factors]), np.array([turns]), np.array([exponent]))[0]
    layer = 255 * upscaled(small, *expected.shape, INTERPOLATIONS[interpolation])
    # imgaug's are bytes too; OpenCV 5 rounds one cubic value in some thousand to the byte beside OpenCV 4's.
    assert np.abs(layer - layer.round()).max() < 1e-4
    assert np.abs(layer - expected).max() < (1.01 if interpolation == "cubic" else 0.01)


@pytest.mark.parametrize(("parameters", "expected"), recorded("blend"))
def test_images_are_not_blended_where_one_has_next_to_no_share_in_any_pixel(parameters, expected):
    first = np.array([RECORD["images"]["coloured"]], np.uint8)
    shares = np.array([parameters * 2], np.float32)
    assert np.array_equal(blend(first, first[:, :, ::-1], shares)[0], expected)
