"""Pipelines that write changed copies of the training set to disk, by name."""

from collections.abc import Sequence

import numpy as np

from tinyres.common.dataset import Images, Split
from tinyres.common.errors import UserError, nearest
from tinyres.copies.operations import (
    Operation,
    add_to_hue,
    add_to_saturation,
    add_to_value,
    channel_shuffle,
    coarse_dropout,
    contrast,
    flip,
    frequency_noise_alpha,
    gaussian_blur,
    multiply,
    sequential,
    sharpen,
    sometimes,
)

CHUNK = 1024  # images changed at a time, so that memory stays small; the samples depend on it

PIPELINES: dict[str, Operation] = {
    # The report's four, in its order and with its ranges.
    "report_flip_blur": sequential(flip, gaussian_blur(sigma=(0, 1))),
    "report_hsv": sequential(
        sometimes(0.5, channel_shuffle),
        add_to_hue((-50, 50)),
        add_to_saturation((-50, 50)),
        add_to_value((-50, 50)),
    ),
    "report_dropout_sharpen": sequential(
        sometimes(0.5, coarse_dropout(share=(0.1, 0.3), grid=(0.02, 0.05))),
        sometimes(0.5, sometimes(0.5, sometimes(0.5, channel_shuffle))),
        sometimes(0.5, sharpen(alpha=(0, 1), lightness=(0.75, 1.5))),
    ),
    "report_noise_blend": sequential(
        multiply((0.5, 1.5), per_channel=0.5),
        contrast((0.5, 1.5)),
        frequency_noise_alpha(exponent=(-4, 0), first=multiply((0.5, 1.5), per_channel=1), second=contrast((0.5, 2))),
    ),
}


def copies_of(split: Split, pipelines: Sequence[str], seed: int) -> Split:
    """One changed copy of the split per pipeline, one after the other, without the originals.

    A pipeline samples the same parameters alone as beside others. Where it is listed twice, the second copy differs.

    Raises:
        UserError: a pipeline is unknown.
    """
    for name in pipelines:
        if name not in PIPELINES:
            raise UserError(f"augment.offline: there is no pipeline {name!r}{nearest(name, sorted(PIPELINES))}")
    copies = np.empty((len(pipelines), *split.images.shape), np.uint8)
    for number, name in enumerate(pipelines):
        repetition = list(pipelines[:number]).count(name)
        change(split.images, PIPELINES[name], np.random.default_rng([seed, repetition, *name.encode()]), copies[number])
    return Split(copies.reshape(-1, *split.images.shape[1:]), np.tile(split.labels, len(pipelines)))


def change(images: Images, pipeline: Operation, generator: np.random.Generator, result: Images) -> None:
    """Write what the pipeline makes of the images into `result`, chunk by chunk."""
    for start in range(0, len(images), CHUNK):
        rows = slice(start, start + CHUNK)
        result[rows] = pipeline(np.asarray(images[rows]), generator)
