"""Operations on a batch of images, from which offline pipelines are composed.

An operation takes uint8 images (N×H×W×3, RGB, N at least 1) and a generator, and returns changed copies. It samples its
parameters for each image separately, uniformly from a range (low, high). The report made its copies with imgaug 0.4.0,
which is unmaintained and does not run beside NumPy 2. The operations therefore do what imgaug's do, its peculiarities
included: tests compare them with values recorded from imgaug, and each docstring names what a reader would not expect.
Like imgaug, they leave blurring, filtering and colour conversion to OpenCV.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Images
from tinyres.copies.noise import Noise, noise_masks

Operation = Callable[[Images, np.random.Generator], Images]
Range = tuple[float, float]

CONTRAST_CENTRE = 127  # the value that contrast leaves alone
FEWEST_CELLS = 3  # of dropout's grid, along each side
SMALLEST_KERNEL = 5  # pixels, of the blur
NEGLIGIBLE = 0.01  # share of a layer below which a blend leaves it out, where that holds for every pixel


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
    """Put the channels in random order; all six orders are equally likely, the old one included."""
    order = generator.permuted(np.tile(np.arange(3), (len(images), 1)), axis=1)
    return np.take_along_axis(images, order[:, None, None, :], axis=3)


def gaussian_blur(sigma: Range) -> Operation:
    """Blur with a Gaussian kernel of standard deviation `sigma`, pixels; below 0.001 nothing changes.

    The border is mirrored. `kernel_side` gives the kernel's size, which cuts the flanks off a wide Gaussian: at `sigma`
    5 the image is blurred by a standard deviation of 3.3.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        result = np.empty_like(images)
        sigmas = generator.uniform(*sigma, len(images)).clip(min=0.001)
        # One call per image takes 15 µs; the same in array operations over the batch takes 100 µs and more.
        for image, blurred, width in zip(images, result, sigmas.tolist(), strict=True):
            side = kernel_side(width)
            cv2.GaussianBlur(image, (side, side), width, dst=blurred)
        return result

    return run


def kernel_side(sigma: float) -> int:
    """The side of imgaug's Gaussian kernel, an odd number of pixels: 3.3 `sigma`, 2.9 from 3 on, 2.6 from 5 on."""
    sigmas = 3.3 if sigma < 3 else 2.9 if sigma < 5 else 2.6
    return max(SMALLEST_KERNEL, int(sigmas * sigma)) | 1


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


def add_to_hue(amount: Range) -> Operation:
    """Add to the hue, in steps of 2°: OpenCV's 8-bit hue runs from 0 to 179, and from red to red.

    The sum is clipped to 0…255 before OpenCV reads it modulo 180. A hue above 179 therefore wraps, and one below 0
    becomes red. (The hue shift of the online augmentation wraps at both ends.)
    """
    return _add_to_hsv(0, amount)


def add_to_saturation(amount: Range) -> Operation:
    """Add to the saturation of HSV, 0…255, and clip."""
    return _add_to_hsv(1, amount)


def add_to_value(amount: Range) -> Operation:
    """Add to the value of HSV, 0…255, and clip."""
    return _add_to_hsv(2, amount)


def _add_to_hsv(channel: int, amount: Range) -> Operation:
    """Add a whole number to one byte of OpenCV's HSV and clip to 0…255.

    The number is sampled as a real one and rounded (half to even), so either end of a range of whole numbers is half as
    likely as a number between them.
    """

    def run(images: Images, generator: np.random.Generator) -> Images:
        tall = (-1, images.shape[2], 3)  # all images as one, which OpenCV converts in one call
        hsv = np.asarray(cv2.cvtColor(images.reshape(tall), cv2.COLOR_RGB2HSV)).reshape(images.shape)
        added = np.rint(generator.uniform(*amount, (len(images), 1, 1))).astype(np.int16)
        hsv[..., channel] = (hsv[..., channel] + added).clip(0, 255)
        rgb = cv2.cvtColor(hsv.reshape(tall), cv2.COLOR_HSV2RGB)
        return np.asarray(rgb, np.uint8).reshape(images.shape)

    return run


def coarse_dropout(share: Range, grid: Range) -> Operation:
    """Blacken cells of a coarse grid, each with the probability `share`, which is sampled per image.

    The grid has `grid` times the image's height and width in cells, but at least 3 by 3. Its height and its width are
    sampled separately.
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
        factor: the range of the factor.
        per_channel: the probability that each channel of an image has a factor of its own.
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
        masks = noise_masks(count, height, width, exponent, generator)
        return blend(first(images, generator), second(images, generator), masks)

    return run


def blend(first: Images, second: Images, shares: Noise) -> Images:
    """The weighted mean of two batches of images, rounded.

    An image whose pixels all hold at most 1 % of one of the two is the other one, unblended.

    Args:
        first: N×H×W×3.
        second: N×H×W×3.
        shares: what `first` has of each pixel, in [0, 1], N×H×W.
    """
    lowest, highest = shares.min((1, 2), keepdims=True), shares.max((1, 2), keepdims=True)
    shares = np.where(lowest >= 1 - NEGLIGIBLE, 1, np.where(highest <= NEGLIGIBLE, 0, shares))[..., None]
    background = second.astype(np.float32)
    return np.rint(background + shares.astype(np.float32) * (first - background)).astype(np.uint8)


def _clipped(values: NDArray[np.float32]) -> Images:
    """Values as bytes, clipped to 0…255 and rounded down, as imgaug does it."""
    return values.clip(0, 255).astype(np.uint8)
