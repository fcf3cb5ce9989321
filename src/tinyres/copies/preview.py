"""A preview of the augmentation: a few training images as training will see them.

It stands beside the copies, on which the stage `augment` alone depends, so that a change of it makes no training and no
evaluation run again.
"""

import numpy as np
import torch

from tinyres.augmentation.online import BatchAugmentation, sample
from tinyres.common.dataset import Images, Split
from tinyres.common.pixels import channels_first
from tinyres.params.schema import Augment, OnlineAugmentation

IMAGES = 10
SAMPLES = 4  # of the online augmentation

Row = tuple[str, Images]
"""A label, and the same images as in the other rows, uint8 N×H×W×3."""


def preview(augment: Augment, train: Split, copies: Split, classes: int, seed: int) -> list[Row]:
    """The first training images: unchanged, in the copy of each pipeline, and under samples of the online augmentation.

    Args:
        augment: the study's offline pipelines and online augmentation.
        train: the training images, unchanged.
        copies: a copy of all of them for each offline pipeline, in the pipelines' order.
        classes: number of classes.
        seed: of the samples.
    """
    first = train.take(np.arange(min(IMAGES, len(train))))
    starts = range(0, len(copies), len(train))
    of_pipelines = [
        (name.replace("_", " "), copies.images[start : start + len(first)])
        for name, start in zip(augment.offline, starts, strict=True)
    ]
    samples = online_samples(augment.online, first, classes, seed)
    of_samples = [(f"sample {number}", images) for number, images in enumerate(samples, start=1)]
    return [("original", first.images), *of_pipelines, *of_samples]


def online_samples(policy: OnlineAugmentation, split: Split, classes: int, seed: int) -> list[Images]:
    """All images of the split as one batch, augmented several times; nothing where the policy changes nothing.

    Mixing mixes them with each other.
    """
    height, width = split.images.shape[1:3]
    augmentation = BatchAugmentation(policy, height, width, classes, torch.device("cpu"))
    if not augmentation.changes_anything:
        return []
    images, labels = channels_first(split.images), torch.from_numpy(split.labels.copy())
    generator = torch.Generator().manual_seed(seed)
    bounds = [(0, len(split))]
    samples = []
    for _ in range(SAMPLES):
        prepared = augmentation.prepare(sample(policy, len(split), generator), bounds)
        order = prepared.order
        pixels, _ = augmentation(images[order], labels[order], prepared, batch=0)
        augmented = np.empty_like(split.images)
        augmented[order.numpy()] = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        samples.append(augmented)
    return samples
