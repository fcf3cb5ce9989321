"""Frequency noise: masks in [0, 1] with a few large blobs or many small ones, as imgaug 0.4.0 makes them.

A layer of noise is sampled small, as a spectrum whose amplitude is a power of the frequency, and scaled up. A mask is
the mean or the maximum of one to three layers. A sigmoid then pushes half of the masks towards 0 and 1. The constants
are the defaults of imgaug's `BlendAlphaFrequencyNoise`.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Noise = NDArray[np.float32]
Spectrum = NDArray[np.float64]

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
        exponent: the range of each layer's power of the frequency: −4 gives large blobs, 0 white noise.
        generator: the source of all samples.
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
    """Layers in [0, 1], count×height×width; each has its own small size, exponent and interpolation."""
    sides = generator.integers(*SIDES, count, endpoint=True)
    exponents = generator.uniform(*exponent, count)
    upscaling = generator.choice(list(UPSCALING), count, p=list(UPSCALING.values()))
    layers = np.empty((count, height, width), np.float32)
    for side in range(SIDES[0], SIDES[1] + 1):
        rows = np.flatnonzero(sides == side)
        shape = (len(rows), *fitted(height, width, side))
        small = spectral_noise(generator.random(shape), generator.random(shape), exponents[rows])
        for row, layer in zip(rows, small, strict=True):
            layers[row] = upscaled(layer, height, width, int(upscaling[row]))
    return layers


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width, scaled down until neither exceeds `side`, but at least `SHORTEST_SIDE` each."""
    scale = min(1.0, side / max(height, width))  # rounded before it is used, as in imgaug: 389 · (8 / 389) is below 8
    return max(int(height * scale), SHORTEST_SIDE), max(int(width * scale), SHORTEST_SIDE)


def spectral_noise(factors: Spectrum, turns: Spectrum, exponents: NDArray[np.float64]) -> Spectrum:
    """Noise with amplitudes of frequency^exponent times a factor and no constant part, each layer scaled to [0, 1].

    Frequencies are in cycles per side, however long the side.

    Args:
        factors: N×H×W, of the amplitudes, uniform in [0, 1).
        turns: N×H×W, angles of the spectrum in turns, uniform in [0, 1).
        exponents: N.
    """
    height, width = factors.shape[1:]
    frequency = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.fft.fftfreq(width, 1 / width))
    frequency[0, 0] = 1  # 0 has no negative powers; its amplitude is set below
    amplitude = frequency ** exponents[:, None, None]
    amplitude[:, 0, 0] = 0
    angle = 2 * np.pi * turns
    real = amplitude * factors * np.cos(angle)
    # That the imaginary part repeats the cosine makes opposite corners resemble each other; imgaug's does so too.
    noise = np.fft.ifft2(real + 1j * real * np.sin(angle)).real
    low, high = noise.min((1, 2), keepdims=True), noise.max((1, 2), keepdims=True)
    return (noise - low) / (high - low)


def upscaled(noise: Spectrum, height: int, width: int, interpolation: int) -> Noise:
    """One layer (H×W in [0, 1]) in OpenCV's interpolation between bytes, as which imgaug stores it: in steps of 1/255.

    A layer that has the right size already is not stored as bytes.
    """
    if noise.shape == (height, width):
        return noise.astype(np.float32)
    stored = (noise * 255).astype(np.uint8)
    return np.asarray(cv2.resize(stored, (width, height), interpolation=interpolation), np.float32) / np.float32(255)
