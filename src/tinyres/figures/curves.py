"""Plots of accuracy and loss by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from tinyres.common.curves import EpochRecord, monitored_split
from tinyres.figures.style import looks, picture


def plot_curves(file: Path | str, histories: Mapping[str, Sequence[EpochRecord]], quantity: str) -> None:
    """Plot the curves of every model, dashed for training and solid for the monitored split (the paper's Figure 4).

    A single epoch is a marker, hollow for training.

    Args:
        file: Where to save the plot.
        histories: By model, one record per epoch; all models monitor the same split.
        quantity: `accuracy` (a fraction in the records, per cent in the plot) or `loss` (nats).
    """
    followed = monitored_split(next(iter(histories.values())))
    prefix = "val" if followed == "validation" else "test"
    scale = 100 if quantity == "accuracy" else 1
    with picture(file) as figure:
        axis = figure.subplots()
        for name, look in looks(histories).items():
            records = histories[name]
            epochs = [record["epoch"] for record in records]
            marker = look.marker if len(epochs) == 1 else None
            for series, line, inside in (("train", "--", "white"), (prefix, "-", look.colour)):
                values = [record[f"{series}_{quantity}"] * scale for record in records]
                label = f"{name}, {'training' if series == 'train' else followed}"
                axis.plot(epochs, values, line, color=look.colour, marker=marker, markerfacecolor=inside, label=label)
        axis.set_xlabel("epoch")
        axis.set_ylabel("accuracy (%)" if quantity == "accuracy" else "cross-entropy loss (nats)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.legend()
