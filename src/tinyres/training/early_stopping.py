"""Whether the validation loss has stopped falling, by the rule of Keras's `EarlyStopping(monitor="val_loss")`."""

from collections.abc import Sequence

from tinyres.common.curves import EpochRecord


def epochs_since_best(history: Sequence[EpochRecord]) -> int:
    """The number of epochs since the lowest validation loss; of equal losses the first counts."""
    losses = [record["val_loss"] for record in history]
    return len(losses) - 1 - losses.index(min(losses))


def has_stalled(history: Sequence[EpochRecord], patience: int) -> bool:
    """Whether none of the last `patience` epochs brought a new lowest validation loss."""
    return bool(history) and epochs_since_best(history) >= patience
