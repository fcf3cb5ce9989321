"""How much of a training epoch is training: forward, backward and optimizer alone, on one batch that lies ready and
normalised, as a share of a whole epoch of our trainer with the same network, optimizer and number of steps. The epoch
shuffles, samples, augments, normalises, sums loss and accuracy and looks for signals; no monitored split."""

import copy
import time

import torch
import torch.nn.functional as F

from benchmarks.measure import Figure, interleave, median, ratios, spread, synchronise
from benchmarks.setting import NETWORKS, Setting, epoch_seconds, make_trainer
from tinyres.training.optimizers import make_optimizer
from tinyres.training.trainer import Trainer

TITLE = "Efficiency"
REPETITIONS = 7
TARGETS = {"baseline": "≥ 0.96", "modified": "≥ 0.98", "cnn": ""}


def measure(setting: Setting) -> list[Figure]:
    """One share per network and batch size."""
    return [share(setting, network, size) for network in NETWORKS for size in setting.batch_sizes]


def share(setting: Setting, network: str, batch_size: int) -> Figure:
    """The bare steps' time over the epoch's."""
    trainer = make_trainer(network, setting.part(network), batch_size, setting.machine)
    bare = BareSteps(trainer)
    seconds = interleave({"epoch": lambda: epoch_seconds(trainer), "steps": bare.seconds}, REPETITIONS)
    pairs = ratios(seconds["steps"], seconds["epoch"])
    each = {name: median(times) / bare.steps * 1000 for name, times in seconds.items()}
    detail = f"{each['steps']:.2f} of {each['epoch']:.2f} ms a step; {spread(pairs)}"
    target = "" if setting.on_gpu else TARGETS[network]
    return Figure(f"{NETWORKS[network]}, batch {batch_size}", median(pairs), "", target, detail)


class BareSteps:
    """As many steps as an epoch has, all on the same batch, by a copy of the network that hardly learns from it.

    A network that knew its one batch by heart would have next to no gradients, which are slow to compute with.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.machine = trainer.machine
        size = trainer.params.batch_size
        self.steps = len(trainer.images.train) // size
        batch = trainer.images.train.first(size)
        self.labels = batch.labels
        self.pixels = trainer.classifier.normalise(batch.images / 255).contiguous(memory_format=torch.channels_last)
        self.network = copy.deepcopy(trainer.classifier.network).train()
        slow = trainer.params.model_copy(update={"lr": 1e-12})
        self.optimizer = make_optimizer(self.network, slow)

    def seconds(self) -> float:
        """The time of all steps."""
        started = time.perf_counter()
        for _ in range(self.steps):
            with self.machine.autocast():
                loss = F.cross_entropy(self.network(self.pixels), self.labels)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        synchronise(self.machine.device)
        return time.perf_counter() - started
