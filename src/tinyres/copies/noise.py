"""Frequency noise: masks in [0, 1] that hold few large blobs or many small ones, as imgaug's FrequencyNoise draws them.

A layer of noise is drawn small, as a spectrum whose amplitude is a power of the frequency, and scaled up. A mask is the
mean or the maximum of one to three layers; every other mask is then driven apart, towards 0 and 1. The constants are
the defaults of imgaug's BlendAlphaFrequencyNoise.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Noise = NDArray[np.float32]

LAYERS = (1, 3)  # per mask, both ends included
SIDES = (4, 16)  # pixels of the longer side before scaling up, both ends included
SHORTEST_SIDE = 4  # pixels
UPSCALING = {cv2.INTER_NEAREST: 0.05, cv2.INTER_LINEAR: 0.6, cv2.INTER_CUBIC: 0.35}  # probabilities
SIGMOID_SHARE = 0.5
SIGMOID_SLOPE = 20.0
SIGMOID_SPREAD = 5.0  # standard deviation of its centre, in units of 1 / SIGMOID_SLOPE, about the centre of [0, 1]


def noise_masks(
    count: int, height: int, width: int, exponent: tuple[float, float], generator: np.random.Generator
) -> Noise:
    """Masks in [0, 1], count×height×width, independent of each other.

    Args:
        count: number of masks.
        height: pixels.
        width: pixels.
        exponent: the range from which each layer's power of the frequency is drawn: −4 large blobs, 0 white noise.
        generator: the source of all draws.
    """
    layers_of = generator.integers(*LAYERS, count, endpoint=True)
    layers = noise_layers(int(layers_of.sum()), height, width, exponent, generator)
    first = layers_of.cumsum() - layers_of
    mean = np.add.reduceat(layers, first) / layers_of.astype(np.float32)[:, None, None]
    highest = np.maximum.reduceat(layers, first)
    masks = np.where(generator.random((count, 1, 1)) < 0.5, mean, highest)
    chosen = generator.random(count) < SIGMOID_SHARE
    centre = generator.normal(SIGMOID_SLOPE / 2, SIGMOID_SPREAD, (count, 1, 1)).astype(np.float32)
    masks[chosen] = expit(SIGMOID_SLOPE * masks[chosen] - centre[chosen])
    return masks


def noise_layers(
    count: int, height: int, width: int, exponent: tuple[float, float], generator: np.random.Generator
) -> Noise:
    """Layers in [0, 1], count×height×width, each with its own size before scaling up, exponent and interpolation."""
    sides = generator.integers(*SIDES, count, endpoint=True)
    exponents = generator.uniform(*exponent, count)
    upscaling = generator.choice(list(UPSCALING), count, p=list(UPSCALING.values()))
    layers = np.empty((count, height, width), np.float32)
    for side in range(SIDES[0], SIDES[1] + 1):
        for interpolation in UPSCALING:
            rows = (sides == side) & (upscaling == interpolation)
            small = spectral_noise(*fitted(height, width, side), exponents[rows], generator)
            layers[rows] = scaled(small, height, width, interpolation)
    return layers


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width, scaled down until neither exceeds `side`, but for the shortest side allowed."""
    longer = max(height, width, side)
    return max(height * side // longer, SHORTEST_SIDE), max(width * side // longer, SHORTEST_SIDE)


def spectral_noise(height: int, width: int, exponents: NDArray[np.float64], generator: np.random.Generator) -> Noise:
    """One layer per exponent: amplitude = frequency^exponent times a random factor, no constant part, scaled to [0, 1].

    Frequencies are in cycles per side, however long the side.
    """
    shape = (len(exponents), height, width)
    frequency = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.fft.fftfreq(width, 1 / width))
    frequency[0, 0] = 1  # 0 has no negative powers; its amplitude is set below
    amplitude = frequency ** exponents[:, None, None]
    amplitude[:, 0, 0] = 0
    angle = generator.uniform(0, 2 * np.pi, shape)
    real = amplitude * generator.random(shape) * np.cos(angle)
    # That the imaginary part repeats the cosine makes opposite corners resemble each other; imgaug's does so too.
    noise = np.fft.ifft2(real + 1j * real * np.sin(angle)).real
    low, high = noise.min((1, 2), keepdims=True), noise.max((1, 2), keepdims=True)
    return ((noise - low) / (high - low)).astype(np.float32)


def scaled(noise: Noise, height: int, width: int, interpolation: int) -> Noise:
    """All layers in OpenCV's interpolation, cut to [0, 1], over which cubic shoots.

    Interpolation is linear in the pixels: what it makes of the unit matrix is the matrix that does it to any layer.
    """

    def matrix(old: int, new: int) -> Noise:
        unit = np.eye(old, dtype=np.float32)
        return np.asarray(cv2.resize(unit, (old, new), interpolation=interpolation), np.float32)

    result = matrix(noise.shape[1], height) @ noise @ matrix(noise.shape[2], width).T
    return result.clip(0, 1).astype(np.float32, copy=False)
