"""How close training comes to what the machine can multiply: floating-point operations per second of a whole epoch of
our trainer (counted by torch: two per multiply-add of convolutions and matrix products, forward and backward), over
those of a large square matrix product in the same precision, measured in turn."""

import time

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Figure, interleave, median, ratios, spread, synchronise
from benchmarks.setting import NETWORKS, Setting, epoch_seconds, make_trainer
from tinyres.models.machine import Machine
from tinyres.training.trainer import Trainer

TITLE = "Arithmetic"
REPETITIONS = 5


def measure(setting: Setting) -> list[Figure]:
    """One share per ResNet and batch size."""
    networks = ("baseline", "modified")
    return [share(setting, network, size) for network in networks for size in setting.batch_sizes]


def share(setting: Setting, network: str, batch_size: int) -> Figure:
    """The epoch's rate over the matrix product's."""
    trainer = make_trainer(network, setting.part(network), batch_size, setting.machine)
    operations = step_operations(trainer) * (len(trainer.images.train) // batch_size)
    product = MatrixProduct(setting.machine)
    contenders = {"epoch": lambda: operations / epoch_seconds(trainer), "product": product.rate}
    rates = interleave(contenders, REPETITIONS)
    pairs = ratios(rates["epoch"], rates["product"])
    detail = f"{median(rates['epoch']) / 1e9:,.0f} of {median(rates['product']) / 1e9:,.0f} GFLOP/s; {spread(pairs)}"
    return Figure(f"{NETWORKS[network]}, batch {batch_size}", median(pairs), "", "", detail)


def step_operations(trainer: Trainer) -> int:
    """Floating-point operations of one step."""
    batch = trainer.images.train.first(trainer.params.batch_size)
    pixels = batch.images / 255
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(trainer.classifier.network(pixels), batch.labels).backward()
    trainer.optimizer.zero_grad(set_to_none=True)
    return counter.get_total_flops()


class MatrixProduct:
    """A square matrix product, large enough to keep the machine busy."""

    def __init__(self, machine: Machine) -> None:
        self.device = machine.device
        self.size, self.times = (8192, 50) if machine.device.type == "cuda" else (2048, 10)
        kind = torch.bfloat16 if machine.bfloat16 else torch.float32
        self.left, self.right = torch.randn(2, self.size, self.size, device=self.device, dtype=kind)

    def rate(self) -> float:
        started = time.perf_counter()
        for _ in range(self.times):
            self.left @ self.right
        synchronise(self.device)
        return 2 * self.size**3 * self.times / (time.perf_counter() - started)
