"""Progress of a training: a bar on a terminal, else a line per epoch, and on a CPU an estimate of its duration."""

import sys
import time

from tqdm import tqdm

from tinyres.common.curves import EpochRecord
from tinyres.params import Params

MEASURED_SECONDS = 5.0  # of training before the duration of the whole run is estimated
WORTH_SAYING_SECONDS = 60.0
REFRESH_SECONDS = 1.0  # the loss so far is read from the device at most this often


class Progress:
    """The progress of one training. Read the loss from the device only when `due` is true.

    Args:
        name: the model's.
        params: epochs, early_stopping.
        images: number of training images.
        on_cpu: whether to announce how long the whole training will take.
        speaks: whether anything is shown.
    """

    def __init__(self, name: str, params: Params, images: int, on_cpu: bool, speaks: bool = True) -> None:
        self.name, self.epochs, self.images = name, params.epochs, images
        self.may_stop_early = params.early_stopping.patience is not None
        self.speaks = speaks
        self.announces_cost = on_cpu
        self.is_terminal = speaks and sys.stderr.isatty()
        self.bar: tqdm | None = None  # type: ignore[type-arg]
        self.shown_at = 0.0

    def silence(self) -> None:
        """Show nothing; for one training of many."""
        self.speaks = self.is_terminal = False

    def epoch_starts(self, epoch: int, steps: int, first: int) -> None:
        """Open the bar of an epoch (from 0) that begins at step `first`."""
        self.started = time.perf_counter()
        self.first_image_count: int | None = None
        if self.is_terminal:
            title = f"{self.name} {epoch + 1}/{self.epochs}"
            self.bar = tqdm(total=steps, initial=first, desc=title, unit="batch", leave=False, file=sys.stderr)

    def step(self) -> None:
        """Call after every step."""
        if self.bar is not None:
            self.bar.update()

    def due(self) -> bool:
        """Whether the loss so far may be read from the device now."""
        now = time.perf_counter()
        if now - self.shown_at < REFRESH_SECONDS:
            return False
        self.shown_at = now
        return True

    def show(self, loss: float, accuracy: float, seen: int, epochs_left: float) -> None:
        """Show the running means and, once enough has been measured, the estimate."""
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.1%}")
        elapsed = time.perf_counter() - self.started
        if self.first_image_count is None:
            self.first_image_count, self.started = seen, time.perf_counter()  # the first steps warm up
        elif self.announces_cost and elapsed >= MEASURED_SECONDS:
            self.announces_cost = False
            rate = (seen - self.first_image_count) / elapsed
            seconds = epochs_left * self.images / rate
            if seconds > WORTH_SAYING_SECONDS:
                left = f"about {duration(seconds)} for what is left of the training"
                if self.may_stop_early:
                    left = f"at most {left}, which early stopping may end sooner"
                self.say(f"{rate:.0f} images/s on this CPU: {left}")

    def epoch_ends(self, record: EpochRecord) -> None:
        """Close the bar and print the epoch's line."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        split = "val" if "val_loss" in record else "test"
        self.say(
            f"epoch {record['epoch']:.0f}/{self.epochs}  "
            f"train loss {record['train_loss']:.4f} accuracy {record['train_accuracy']:.2%}  "
            f"{split} loss {record[f'{split}_loss']:.4f} accuracy {record[f'{split}_accuracy']:.2%}  "
            f"{record['images_per_second']:.0f} images/s"
        )

    def say(self, text: str) -> None:
        """One line, above the bar if there is one."""
        if not self.speaks:
            return
        tqdm.write(f"{self.name}: {text}", file=sys.stderr)
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
