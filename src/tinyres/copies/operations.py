"""Operations on a batch of images, from which offline pipelines are composed.

An operation takes uint8 images (N×H×W×3, RGB, N at least 1) and a generator and returns changed copies; parameters are
drawn for each image alone, uniformly from a range (low, high). Names, meaning and defaults are those of imgaug 0.4,
which is unmaintained and does not run beside NumPy 2; what OpenCV has is OpenCV's.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Images
from tinyres.copies.noise import noise_masks

Operation = Callable[[Images, np.random.Generator], Images]
Range = tuple[float, float]

HUE, SATURATION, VALUE = range(3)
HUES = 180  # OpenCV's 8-bit hue counts in steps of 2°
CONTRAST_CENTRE = 127  # the value that contrast leaves alone
FEWEST_CELLS = 3  # of dropout's grid, along each side


def sequential(*operations: Operation) -> Operation:
    """All operations, one after the other."""

    def run(images: Images, generator: np.random.Generator) -> Images:
        for operation in operations:
            images = operation(images, generator)
        return images

    return run


def sometimes(probability: float, operation: Operation) -> Operation:
    """The operation, for each image with the given probability."""

    def run(images: Images, generator: np.random.Generator) -> Images:
        chosen = generator.random(len(images)) < probability
        result = images.copy()
        if chosen.any():
            result[chosen] = operation(images[chosen], generator)
        return result

    return run


def flip(images: Images, generator: np.random.Generator) -> Images:
    """Mirror left and right, always."""
    return images[:, :, ::-1].copy()


def channel_shuffle(images: Images, generator: np.random.Generator) -> Images:
    """Put the channels in random order; all six are equally likely, the old one too."""
    order = generator.permuted(np.tile(np.arange(3), (len(images), 1)), axis=1)
    return np.take_along_axis(images, order[:, None, None, :], axis=3)


def gaussian_blur(sigma: Range) -> Operation:
    """Blur with a Gaussian kernel of standard deviation `sigma`, pixels; below 0.001 nothing changes.

    The kernel is 5×5, or 3.3 sigma wide where that is more; the border is mirrored.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        result = np.empty_like(images)
        sigmas = generator.uniform(*sigma, len(images)).clip(min=0.001)
        # One call per image takes 15 µs; the same in array operations over the batch takes 100 µs and more.
        for image, blurred, width in zip(images, result, sigmas.tolist(), strict=True):
            side = max(5, int(3.3 * width) | 1)
            cv2.GaussianBlur(image, (side, side), width, dst=blurred)
        return result

    return run


def sharpen(alpha: Range, lightness: Range) -> Operation:
    """Blend each image with its sharpened version, which has the weight `alpha`, and clip to 0…255.

    Sharpening subtracts the eight neighbours and adds the pixel 8 + `lightness` times, so a flat area is multiplied by
    `lightness`. The border is mirrored.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        alphas = generator.uniform(*alpha, len(images)).astype(np.float32)
        kernels = np.tile(-alphas[:, None, None], (1, 3, 3))
        kernels[:, 1, 1] = 1 - alphas + alphas * (8 + generator.uniform(*lightness, len(images)))
        result = np.empty_like(images)
        for image, sharpened, kernel in zip(images, result, kernels, strict=True):
            cv2.filter2D(image, -1, kernel, dst=sharpened)
        return result

    return run


def add_to_hsv(channel: int, amount: tuple[int, int]) -> Operation:
    """Add a whole number, both ends of the range included, to one channel of OpenCV's 8-bit HSV.

    Hue (0…179, steps of 2°) wraps, saturation and value (0…255) are clipped. imgaug wraps hue at 180 but cuts it at 0,
    where its bytes end; a circle has no such end.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        tall = (-1, images.shape[2], 3)  # all images as one, which OpenCV converts in one call
        hsv = np.asarray(cv2.cvtColor(images.reshape(tall), cv2.COLOR_RGB2HSV)).reshape(images.shape)
        added = generator.integers(*amount, (len(images), 1, 1), np.int16, endpoint=True) + hsv[..., channel]
        hsv[..., channel] = added % HUES if channel == HUE else added.clip(0, 255)
        rgb = cv2.cvtColor(hsv.reshape(tall), cv2.COLOR_HSV2RGB)
        return np.asarray(rgb, np.uint8).reshape(images.shape)

    return run


def coarse_dropout(share: Range, grid: Range) -> Operation:
    """Blacken cells of a coarse grid, each with the probability `share`, which is drawn per image.

    The grid has `grid` times the image's height and width in cells, but at least 3 by 3; the two are drawn apart.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        count, height, width, _ = images.shape

        def cell_of_pixel(pixels: int) -> NDArray[np.int64]:
            """Row or column in the grid, N×pixels."""
            cells = (pixels * generator.uniform(*grid, (count, 1))).astype(np.int64).clip(min=FEWEST_CELLS)
            return np.arange(pixels) * cells // pixels

        row, column = cell_of_pixel(height), cell_of_pixel(width)
        cells = (count, int(row.max()) + 1, int(column.max()) + 1)
        dropped = generator.random(cells) < generator.uniform(*share, (count, 1, 1))
        mask = dropped[np.arange(count)[:, None, None], row[:, :, None], column[:, None, :]]
        return np.where(mask[..., None], np.uint8(0), images)

    return run


def multiply(factor: Range, per_channel: float = 0.0) -> Operation:
    """Multiply by a factor and clip to 0…255.

    Args:
        factor: its range.
        per_channel: the probability that an image's channels have a factor each; else they share one.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        factors = generator.uniform(*factor, (len(images), 3)).astype(np.float32)
        shared = generator.random(len(images)) >= per_channel
        factors[shared] = factors[shared, :1]
        return _clipped(images * factors[:, None, None, :])

    return run


def contrast(factor: Range) -> Operation:
    """Multiply the distance from the middle value, 127, by a factor and clip to 0…255."""

    def run(images: Images, generator: np.random.Generator) -> Images:
        factors = generator.uniform(*factor, (len(images), 1, 1, 1)).astype(np.float32)
        return _clipped((images - np.float32(CONTRAST_CENTRE)) * factors + CONTRAST_CENTRE)

    return run


def frequency_noise_alpha(exponent: Range, first: Operation, second: Operation) -> Operation:
    """Blend the results of two operations, the first where a noise mask is 1, the second where it is 0.

    Args:
        exponent: power of the frequency, to which the noise's amplitude is proportional: −4 large blobs, 0 white noise.
        first: shows where the mask is high.
        second: shows where the mask is low.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        count, height, width, _ = images.shape
        masks = noise_masks(count, height, width, exponent, generator)[..., None]
        high, low = first(images, generator), second(images, generator).astype(np.float32)
        return np.rint(low + masks * (high - low)).astype(np.uint8)

    return run


def _clipped(values: NDArray[np.float32]) -> Images:
    """Values as bytes: clipped, then cut to whole numbers, not rounded, as imgaug does."""
    return values.clip(0, 255).astype(np.uint8)
