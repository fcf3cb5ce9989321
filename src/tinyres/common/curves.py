"""The curves of one training: one record per epoch, kept as CSV for DVC's plots."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tinyres.common.atomic import write_text
from tinyres.common.errors import UserError

EpochRecord = dict[str, float]
"""One epoch: epoch (from 1), train_loss, train_accuracy, then val_* or test_* (loss and accuracy), lr. Accuracies are
fractions. Keys in `NOT_RESULTS` may be present in memory, but no file holds them."""

NOT_RESULTS = ("images_per_second", "seconds", "timestamp")
"""Times differ from run to run: they go to MLflow and the log, or no output would be the same twice."""


def write_curves(file: Path | str, records: Sequence[EpochRecord]) -> None:
    """Write the curves, whole or not at all; six significant digits."""
    columns = [name for name in records[0] if name not in NOT_RESULTS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([f"{record[name]:.6g}" for name in columns] for record in records)
    write_text(file, text.getvalue())


def read_curves(file: Path | str) -> list[EpochRecord]:
    """The curves as written.

    Raises:
        UserError: the file is missing or empty.
    """
    file = Path(file)
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    if len(lines) < 2:
        raise UserError(f"{file} holds no curves; train the model again with `dvc repro`.")
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def monitored_split(records: Sequence[EpochRecord]) -> str:
    """`validation` or `test`: the split whose loss and accuracy were followed during training."""
    return "validation" if "val_loss" in records[0] else "test"
