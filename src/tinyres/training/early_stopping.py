"""When the validation loss no longer falls, counted as Keras's `EarlyStopping(monitor="val_loss")` counts."""

from collections.abc import Sequence

from tinyres.common.curves import EpochRecord


def epochs_since_best(history: Sequence[EpochRecord]) -> int:
    """Epochs after the one with the lowest validation loss (the first of equals)."""
    losses = [record["val_loss"] for record in history]
    return len(losses) - 1 - losses.index(min(losses))


def has_stalled(history: Sequence[EpochRecord], patience: int) -> bool:
    """Whether the last `patience` epochs brought no new lowest validation loss."""
    return bool(history) and epochs_since_best(history) >= patience
