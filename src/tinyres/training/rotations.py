"""Pretraining without labels: a network learns to tell by how much an image was rotated.

To tell, it must recognise what is in the picture. Source: Gidaris et al., 2018, arXiv:1803.07728.
"""

import numpy as np

from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.params import Params

ROTATIONS = ["0_degrees", "90_degrees", "180_degrees", "270_degrees"]
"""Names by label, counter-clockwise."""
TELLING_ANGLE = 45  # degrees; augmentation that rotates further can bring an image nearer to another label


def rotations_of(split: Split) -> Split:
    """Every image in its four rotations, one angle after the other; labels count quarter turns.

    Raises:
        UserError: the images are not square, so that their shape would give the rotation away.
    """
    height, width = split.images.shape[1:3]
    if height != width:
        raise UserError(
            f"pretrain turns images, and these have {height} rows and {width} columns; set subset.image_size (32, say)."
        )
    turned = [np.rot90(split.images, turns, axes=(1, 2)) for turns in range(len(ROTATIONS))]
    return Split(np.concatenate(turned), np.repeat(np.arange(len(ROTATIONS)), len(split)))


def pretraining_params(params: Params) -> Params:
    """The trainer's parameters: the study's, but with `pretrain.epochs` epochs and without mirroring.

    An image turned left and then mirrored is its mirror image turned right: the label would be wrong.

    Args:
        params: pretrain, augment.online, scheduler, and whatever else is to be kept.

    Raises:
        UserError: augmentation rotates images so far that the quarter turn cannot be told, or the schedule is longer
            than the pretraining.
    """
    online, epochs = params.augment.online, params.pretrain.epochs
    if online.rotation >= TELLING_ANGLE:
        raise UserError(
            f"augment.online.rotation is {online.rotation:g}, and pretrain asks by how many quarter turns an image was "
            f"turned; set it below {TELLING_ANGLE}."
        )
    if (last := max([params.scheduler.warmup, *params.scheduler.milestones])) >= epochs:
        raise UserError(
            f"pretrain.epochs is {epochs}, but the schedule still changes at epoch {last}; raise pretrain.epochs, or "
            "lower scheduler.warmup or scheduler.milestones."
        )
    augment = params.augment.model_copy(update={"online": online.model_copy(update={"flip": 0.0})})
    return Params.model_construct(**dict(params) | {"epochs": epochs, "augment": augment})
