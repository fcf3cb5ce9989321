"""Near twins that a trained network finds: its features propose pairs that outlines do not, and the pixels decide."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyres.cli.serving import BATCH_SIZE, ServedModel
from tinyres.common.dataset import Images, Split
from tinyres.common.pixels import channels_first
from tinyres.models.inference import features_of
from tinyres.sources.nearest import unit
from tinyres.sources.twins import FEATURES, SMALLEST, Twin, near_twins

Floats = NDArray[np.float32]

# Of the score of the pixels; chosen on CIFAR-100 by benchmarks/twins.py. Lower than for pairs that outlines propose,
# since close features say by themselves that two pictures show much the same.
FEATURES_THRESHOLD = 0.84


def find_feature_twins(folder: Path, splits: Mapping[str, Split]) -> list[Twin]:
    """Find near twins among the images that a network's penultimate features place close to each other.

    Args:
        folder: The model's.
        splits: The images, inside and across which twins are sought.

    Raises:
        UserError: It is no model folder, or a damaged one.
    """
    network = ServedModel(folder)
    if min(network.description.image_size) < SMALLEST:
        return []  # as among the pairs that outlines propose
    return near_twins(splits, feature_descriptors(network, splits), FEATURES, FEATURES_THRESHOLD)


def feature_descriptors(network: ServedModel, splits: Mapping[str, Split]) -> dict[str, tuple[Floats, Floats]]:
    """Return the features of each split's images, and of their mirrored copies, as unit vectors (N×D each).

    The mean over all images is taken from them, since all have a large part in common.
    """
    straight = {name: _features(network, split.images) for name, split in splits.items()}
    turned = {
        name: _features(network, np.ascontiguousarray(split.images[:, :, ::-1])) for name, split in splits.items()
    }
    mean = np.concatenate(list(straight.values())).mean(axis=0)
    return {name: (unit(straight[name] - mean), unit(turned[name] - mean)) for name in splits}


def _features(network: ServedModel, images: Images) -> Floats:
    found: Floats = features_of(network.classifier, channels_first(images), BATCH_SIZE, network.machine).numpy()
    return found
