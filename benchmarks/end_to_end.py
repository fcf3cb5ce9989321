"""A whole training epoch of our trainer against the usual loop: torchvision's dataset and transforms on PIL images, a
`DataLoader` whose workers stay alive between epochs (two on a CPU, one per core beside a GPU), torch's default AdamW,
and `loss.item()` at each step; the same networks, augmentation, batch size and precision. Each loop has a process of
its own, since ours also changes how the process keeps memory and how its threads wait; their epochs take turns. Where a
table names GOMP_SPINCOUNT, that is ours; the usual loop always has libgomp's own 300,000 spins."""

import os
from collections.abc import Callable

import torch

from benchmarks.measure import Figure, instruction_set, interleave, median, ratios, spread
from benchmarks.networks import make_network
from benchmarks.own_process import own_process
from benchmarks.setting import NETWORKS, Setting, epoch_seconds, make_trainer, paper_params, with_classes
from benchmarks.usual_loop import UsualLoop
from tinyres.common.dataset import Split
from tinyres.models.machine import Machine, prepare_machine

TITLE = "End to end"
REPETITIONS = 7
LIBGOMPS_OWN_SPINS = "300000"  # where no OMP_WAIT_POLICY is set; stronger than the one that tinyres sets
TARGETS = {
    "AVX2": {"baseline": "≥ 3", "modified": "≥ 2.4", "cnn": "≥ 3"},
    "AVX512": {"baseline": "≥ 2", "modified": "≥ 1.8", "cnn": "≥ 3"},
}


def measure(setting: Setting) -> list[Figure]:
    """One ratio per network and batch size."""
    return [ratio(setting, network, size) for network in NETWORKS for size in setting.batch_sizes]


def ratio(setting: Setting, network: str, batch_size: int) -> Figure:
    """The usual loop's time over ours."""
    split = setting.part(network)
    arguments = (network, split, batch_size, setting.machine)
    with (
        own_process(make_ours, *arguments) as ours,
        own_process(make_usual, *arguments, GOMP_SPINCOUNT=LIBGOMPS_OWN_SPINS) as usual,
    ):
        seconds = interleave({"ours": ours.seconds, "usual": usual.seconds}, REPETITIONS)
    pairs = ratios(seconds["usual"], seconds["ours"])
    rates = [len(split) / median(seconds[name]) for name in ("ours", "usual")]
    detail = f"{rates[0]:,.0f} against {rates[1]:,.0f} images/s; {spread(pairs)}"
    target = "≥ 1" if setting.on_gpu else TARGETS.get(instruction_set(), {}).get(network, "")
    return Figure(f"{NETWORKS[network]}, batch {batch_size}", median(pairs), "×", target, detail)


def make_ours(network: str, split: Split, batch_size: int, machine: Machine) -> Callable[[], float]:
    """Our trainer, on the machine as the train stage prepares it."""
    trainer = make_trainer(network, split, batch_size, prepare_machine(paper_params().runtime))
    return lambda: epoch_seconds(trainer)


def make_usual(network: str, split: Split, batch_size: int, machine: Machine) -> Callable[[], float]:
    """The usual loop, on a process as Python starts it."""
    torch.backends.cudnn.benchmark = machine.device.type == "cuda"
    workers = os.cpu_count() or 1 if machine.device.type == "cuda" else 2
    params = paper_params(batch_size=batch_size)
    return UsualLoop(make_network(network), with_classes(split, network), params, machine, workers).epoch_seconds
