"""Record in `imgaug.json` what imgaug 0.4.0 makes of small images, for test_against_imgaug.py to compare with ours.

imgaug needs an environment of its own, with Python 3.11 or older:

    pip install imgaug==0.4.0 numpy==1.23.5 opencv-python-headless==4.11.0.86
    python tests/record_imgaug.py
"""

import json
from pathlib import Path

import cv2
import imgaug
import imgaug.augmenters as iaa
import imgaug.parameters as iap
import numpy as np

FILE = Path(__file__).with_name("imgaug.json")
generator = np.random.default_rng(14)
coloured = generator.integers(0, 256, (2, 8, 3), dtype=np.uint8)
faint = coloured // 8 + 100  # so that sharpening does not clip every value
stripe = np.zeros((1, 25, 3), np.uint8)
stripe[:, 12] = 255


class Recorded(imgaug.random.RNG):
    """Gives back the arrays that it was made with, one by one."""

    def __init__(self, *arrays):
        super().__init__(0)
        self.arrays = list(arrays)

    def duplicate(self, count):
        return [self] * count

    def random(self, size):
        array = self.arrays.pop(0)
        assert array.shape == tuple(size)
        return array


def add(channel, amount):
    return iaa.WithColorspace("HSV", "RGB", iaa.WithChannels(channel, iaa.Add(amount)))


def row(operation, *parameters, image=coloured):
    return {"parameters": parameters, "result": operation(image=image).tolist()}


def layer(exponent, interpolation):
    """A layer of noise, 4×4 pixels scaled up to 8×6, in 1/255."""
    factors, turns = generator.random((2, 4, 4)).round(3)
    noise = iap.FrequencyNoise(exponent=float(exponent), size_px_max=4, upscale_method=interpolation)
    result = noise._draw_samples_hw(8, 6, Recorded(factors, turns)) * 255
    return {"parameters": [factors.tolist(), turns.tolist(), exponent, interpolation], "result": result.tolist()}


def blended(shares):
    """A share of `coloured` for each pixel of a row, against its mirror image."""
    alpha = np.tile(shares, (2, 1))
    return {"parameters": [shares], "result": iaa.blend_alpha(coloured, coloured[:, ::-1], alpha).tolist()}


def counts(low, high):
    """How often imgaug adds each whole number to 40,000 pixels."""
    added = iaa.Add((low, high), seed=0)(images=np.full((40_000, 1, 1, 1), 100, np.uint8)).astype(int) - 100
    return {"parameters": [low, high], "result": np.bincount(added.ravel() - low).tolist()}


FEW, MANY = 0.01, 0.99
record = {
    "versions": {"imgaug": imgaug.__version__, "numpy": np.__version__, "opencv": cv2.__version__},
    "images": {"coloured": coloured.tolist(), "faint": faint.tolist(), "stripe": stripe.tolist()},
    "flip": [row(iaa.Fliplr(1))],
    "gaussian_blur": [
        row(iaa.GaussianBlur(sigma), sigma, image=stripe) for sigma in (0, 0.4, 1, 2.5, 3, 3.5, 4.5, 5, 6, 8)
    ],
    "sharpen": [row(iaa.Sharpen(*each), *each, image=faint) for each in ((0.3, 0.75), (0.77, 1.23), (1, 1.5))],
    "add_to_hue": [row(add(0, amount), amount) for amount in (-200, -50, -30, -1, 0, 1, 30, 50, 120, 200)],
    "add_to_saturation": [row(add(1, amount), amount) for amount in (-200, -50, 7, 50, 200)],
    "add_to_value": [row(add(2, amount), amount) for amount in (-50, -1.5, -0.5, 0.5, 1.5, 2.5, 3.4, 50)],
    "multiply": [row(iaa.Multiply(factor), factor) for factor in (0.5, 0.7, 1.3, 1.5)],
    "contrast": [row(iaa.LinearContrast(factor), factor) for factor in (0.5, 0.7, 1.3, 2)],
    "noise_layer": [layer(exponent, method) for exponent in (-4, -1.5, 0) for method in ("nearest", "linear", "cubic")],
    "blend": [
        blended(shares)
        for shares in (
            [0, 0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1],
            [MANY] * 8,
            [MANY] * 7 + [0.9],
            [1] * 8,
            [FEW] * 8,
            [FEW] * 7 + [0.1],
            [FEW] * 4 + [MANY] * 4,
        )
    ],
    "counts": [counts(-2, 2), counts(-50, 50)],
}


def lines(cases):
    """The cases of one operation, a line each."""
    return "[\n  " + ",\n  ".join(map(json.dumps, cases)) + "\n]" if isinstance(cases, list) else json.dumps(cases)


FILE.write_text("{\n" + ",\n".join(f'"{name}": {lines(cases)}' for name, cases in record.items()) + "\n}\n")
