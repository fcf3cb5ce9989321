"""How alike two images are, from their pixels alone: a descriptor to find candidates, and an alignment to judge them.

Images are compared as grey thumbnails of 32×32 pixels, so recolouring changes little, and the size does not matter.
The descriptor is a histogram of oriented gradients (N. Dalal and B. Triggs, 2005, doi:10.1109/CVPR.2005.177). The
alignment is the method of Lucas and Kanade (1981) with a shift and a scale for each axis, from coarse to fine.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinyres.common.dataset import Images

Floats = NDArray[np.float32]

GREY = np.array([0.2989, 0.587, 0.114], np.float32)  # of red, green and blue, as in `common.pixels`, which needs torch
SIDE = 32  # pixels of a thumbnail
CELLS, DIRECTIONS = 8, 8  # of the descriptor: cells along each side, directions of the gradient
LARGEST = 0.15  # of a descriptor's unit length, so that one strong edge does not outweigh the rest
BATCH = 100  # images or pairs at a time, so that they stay in the cache
LEVELS = ((16, 1.0, 4), (32, 1.2, 5))  # of the alignment: side and blur in pixels, and steps
DAMPING = 0.5  # added to the normal equations, so that an image without structure along one axis stays where it is
WITHIN = 1.6  # the largest scale, and the inverse of the smallest
FLOOR = 0.5  # of a variance, in squared levels of 0 to 255, so that rounding is not taken for structure
SHORT = 0.04  # how far below the score asked for a coarse correlation may lie; further below no twin was seen


def thumbnails(images: Images) -> Floats:
    """Return grey thumbnails (N×32×32, 0 to 255) of images (uint8, N×H×W×3)."""
    height, width = images.shape[1:3]
    grey = images.astype(np.float32) @ GREY
    if (height, width) == (SIDE, SIDE):
        return grey
    return _both_axes(grey, _resampling(height, SIDE), _resampling(width, SIDE))


def descriptors(images: Images) -> Floats:
    """Return unit vectors (N×512) whose product tells how alike two images' outlines are; zeros for flat images."""
    vectors = np.empty((len(images), DIRECTIONS * CELLS * CELLS), np.float32)
    for rows in _batches(len(images)):
        vectors[rows] = _histograms(thumbnails(images[rows]))
    return vectors


def mirrored(vectors: Floats) -> Floats:
    """Return the descriptors (N×512) of the mirrored images."""
    turned = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS  # what points right points left
    return vectors.reshape(-1, DIRECTIONS, CELLS, CELLS)[:, turned, :, ::-1].reshape(vectors.shape)


def similarity(first: Floats, second: Floats, least: float) -> Floats:
    """Return how alike thumbnails are once the second are laid over the first (N×32×32 each), from −1 to 1 (N).

    The score is the mean of three correlations over the overlap: of the pictures, of their detail and of their finest
    detail, which other pictures of the same kind of thing do not share.

    Args:
        first: Those that stay where they are.
        second: Those that are laid over them.
        least: The score from which on pairs matter. Those that are further below it at the coarse level are not
            compared in detail, and their score is the coarse correlation.
    """
    scores = np.empty(len(first), np.float32)
    for rows in _batches(len(first)):
        scores[rows] = _aligned_similarity(first[rows], second[rows], least - SHORT)
    return scores


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + BATCH) for start in range(0, count, BATCH))


def _histograms(grey: Floats) -> Floats:
    down, across = _gradients(_blurred(grey, 0.7))
    softened = 1 / (down * down + across * across + 1e-3)
    pooling = _gaussians((np.arange(CELLS) + 0.5) * SIDE / CELLS - 0.5, 0.45 * SIDE / CELLS, SIDE)
    cells = np.empty((DIRECTIONS, len(grey), CELLS, CELLS), np.float32)
    for direction in range(DIRECTIONS // 2):
        angle = 2 * np.pi * direction / DIRECTIONS
        along = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
        share = along * along * along * softened  # of the steepness; the cube keeps to directions nearby
        cells[direction] = _both_axes(share.clip(0), pooling, pooling)
        cells[direction + DIRECTIONS // 2] = _both_axes((-share).clip(0), pooling, pooling)
    vectors = cells.transpose(1, 0, 2, 3).reshape(len(grey), -1)
    flat = np.linalg.norm(vectors, axis=1) < 1
    vectors = np.sqrt(np.minimum(_unit(vectors), LARGEST))
    vectors = _unit(vectors - vectors.mean(axis=1, keepdims=True))
    vectors[flat] = 0
    return vectors


def _aligned_similarity(first: Floats, second: Floats, undecided_above: float) -> Floats:
    """As `similarity`; pairs whose coarse correlation is not above a value keep it."""
    scores = np.full(len(first), -1, np.float32)
    undecided = np.arange(len(first))
    place = np.tile(np.array([0, 1, 0, 1], np.float32), (len(first), 1))  # shift and scale across, then down
    for side, blur, steps in LEVELS:
        halving = _resampling(SIDE, side)
        fixed, moving = (_blurred(_both_axes(each[undecided], halving, halving), blur) for each in (first, second))
        place = _align(fixed, moving, place, steps)
        scores[undecided] = _correlation(fixed, *_laid(moving, place))
        kept = scores[undecided] > undecided_above
        undecided, place = undecided[kept], place[kept] * np.array([2, 1, 2, 1], np.float32)
    place[:, ::2] /= 2
    looks = zip(_looks(first[undecided]), _looks(second[undecided]), strict=True)
    scores[undecided] = np.mean([_correlation(fixed, *_laid(moving, place)) for fixed, moving in looks], axis=0)
    return scores


def _align(fixed: Floats, moving: Floats, place: Floats, steps: int) -> Floats:
    """Improve the places (N×4) at which the moving images look most like the fixed ones, by Gauss and Newton."""
    side = fixed.shape[1]
    half = np.float32(side / 2)
    away = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / half  # from the centre, −1 to 1
    for _ in range(steps):
        laid, inside = _laid(moving, place)
        laid = _standardised(laid, inside)
        left = (_standardised(fixed, inside) - laid) * inside
        down, across = (each * inside for each in _gradients(laid))
        slopes = np.stack([across, across * away, down, down * away[:, None]], axis=1).reshape(-1, 4, side * side)
        normal = slopes @ slopes.transpose(0, 2, 1) + DAMPING * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(normal, slopes @ left.reshape(-1, side * side, 1))[:, :, 0].clip(-1.5, 1.5)
        step *= place[:, [1, 1, 3, 3]]
        step[:, 1::2] /= half
        place = place + step
        place[:, ::2] = place[:, ::2].clip(-side / 4, side / 4)
        place[:, 1::2] = place[:, 1::2].clip(1 / WITHIN, WITHIN)
    return place


def _laid(images: Floats, place: Floats) -> tuple[Floats, Floats]:
    """Return images (N×S×S) shifted and scaled, and 1 where they have pixels to show, else 0."""
    side = images.shape[1]
    away = np.arange(side, dtype=np.float32) - (side - 1) / 2
    across, down = (place[:, k, None] + place[:, k + 1, None] * away + (side - 1) / 2 for k in (0, 2))
    known_across, known_down = ((each > -0.5) & (each < side - 0.5) for each in (across, down))
    laid = _between(down, side) @ images @ _between(across, side).transpose(0, 2, 1)
    inside = known_down[:, :, None] & known_across[:, None]
    return laid.astype(np.float32, copy=False), inside.astype(np.float32)


def _between(positions: Floats, side: int) -> Floats:
    """Return the weights (N×P×S) that interpolate linearly at positions (N×P) among S pixels."""
    positions = positions.clip(0, side - 1)
    return np.maximum(0, 1 - np.abs(positions[:, :, None] - np.arange(side, dtype=np.float32)))


def _standardised(images: Floats, inside: Floats) -> Floats:
    """Subtract the mean over what is inside and divide by the deviation; an image without contrast stays near 0."""
    share = inside / inside.sum(axis=(1, 2), keepdims=True).clip(1)
    apart = images - (images * share).sum(axis=(1, 2), keepdims=True)
    return apart / np.sqrt((apart * apart * share).sum(axis=(1, 2), keepdims=True) + FLOOR)


def _correlation(fixed: Floats, laid: Floats, inside: Floats) -> Floats:
    products = _standardised(fixed, inside) * _standardised(laid, inside) * inside
    mean: Floats = products.sum(axis=(1, 2)) / inside.sum(axis=(1, 2)).clip(1)
    return mean


def _looks(images: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the pictures, their structures of some one to four pixels, and those of one or two."""
    sharp = _blurred(images, 0.5)
    return sharp, _blurred(images, 0.7) - _blurred(images, 2), sharp - _blurred(images, 1.2)


def _gradients(images: Floats) -> tuple[Floats, Floats]:
    """Central differences down and across; 0 at the borders."""
    down, across = np.zeros_like(images), np.zeros_like(images)
    down[:, 1:-1] = (images[:, 2:] - images[:, :-2]) / 2
    across[:, :, 1:-1] = (images[:, :, 2:] - images[:, :, :-2]) / 2
    return down, across


def _blurred(images: Floats, sigma: float) -> Floats:
    weights = _gaussians(np.arange(images.shape[1]), sigma)
    return _both_axes(images, weights, weights)


def _gaussians(centres: NDArray[np.number], sigma: float, side: int | None = None) -> Floats:
    """Return normalised weights of pixels around each centre, a row each.

    Beyond five sigma they are 0: as denormal numbers they would slow a product down thirty times.
    """
    away = (np.arange(side or len(centres)) - centres[:, None]) / sigma
    weights = np.where(np.abs(away) < 5, np.exp(-(away**2) / 2), 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _resampling(size: int, side: int) -> Floats:
    """Return the weights (side×size) that resize an axis: linear, over all pixels that fall into one where it shrinks.

    As in Pillow's `BILINEAR`.
    """
    width = max(size / side, 1)
    centres = (np.arange(side) + 0.5) * size / side - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / width)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _both_axes(images: Floats, down: Floats, across: Floats) -> Floats:
    """Apply weights (P×H and Q×W) to the rows and the columns of images (N×H×W)."""
    return down @ images @ np.ascontiguousarray(across.T)


def _unit(vectors: Floats) -> Floats:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-3)
