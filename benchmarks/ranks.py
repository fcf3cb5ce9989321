"""What `benchmarks.scaling` has torchrun start: each process of one training; the first writes what was measured.

What is measured alone, the first does while the others sleep, so that alone and together take turns.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import interleave, median, ratios, synchronise
from benchmarks.setting import NETWORKS, Setting, epoch_seconds, first, make_setting, make_trainer, paper_params
from tinyres.augmentation.online import BatchAugmentation
from tinyres.common.atomic import write_json
from tinyres.models.machine import Machine
from tinyres.models.processes import SingleProcess
from tinyres.training.batches import batches, plan_epoch
from tinyres.training.placement import DeviceSplit

BATCH = 64  # the paper's
SIZES = (8, 16, 32, BATCH)  # images per step of one process
STEPS = {"baseline": 4, "modified": 1, "cnn": 40}  # per turn: some tenths of a second, where the network lets them
STEPS_ON_GPU = 100
REPETITIONS = 5
SMALL = 1024  # bytes, of which an all-reduce is latency alone


def main() -> None:
    setting = make_setting()
    networks = {network: measure(setting, network) for network in NETWORKS}
    results = input_seconds(setting) | {"networks": networks}
    if setting.machine.processes.rank == 0:
        write_json(Path(sys.argv[1]), results)


def measure(setting: Setting, network: str) -> dict[str, Any]:
    """Seconds per step of one process by batch size, bytes of the gradient; and of two, what they gain and exchange."""
    machine = setting.machine
    alone = dataclasses.replace(machine, processes=SingleProcess())
    steps = STEPS_ON_GPU if setting.on_gpu else STEPS[network]

    def training(batch: int, machine: Machine = alone) -> Callable[[], float]:
        trainer = make_trainer(network, first(setting.images, batch * steps), batch, machine)
        return lambda: epoch_seconds(trainer) / steps

    contenders = {str(size): by_first(setting, training(size)) for size in SIZES}
    parameters = make_trainer(network, first(setting.images, BATCH), BATCH, alone).classifier.parameters()
    gradient = sum(each.numel() * each.element_size() for each in parameters if each.requires_grad)
    if machine.processes.size > 1:
        contenders |= {"strong": training(BATCH, machine), "weak": training(BATCH * machine.processes.size, machine)}
        contenders |= {"small": exchange(setting, SMALL), "gradient": exchange(setting, gradient)}
    seconds = interleave(contenders, REPETITIONS)
    results: dict[str, Any] = {"gradient": gradient, "steps": {size: median(seconds[str(size)]) for size in SIZES}}
    if machine.processes.size > 1:
        results["all_reduce"] = {SMALL: median(seconds["small"]), gradient: median(seconds["gradient"])}
        one = seconds[str(BATCH)]  # the gain: images per second of all over one's
        weak = [machine.processes.size * ratio for ratio in ratios(one, seconds["weak"])]
        results["together"] = {"strong": ratios(one, seconds["strong"]), "weak": weak}
    return results


def by_first(setting: Setting, act: Callable[[], float]) -> Callable[[], float]:
    """What the first process does while the others wait for it."""

    def contender() -> float:
        value = act() if setting.machine.processes.rank == 0 else 1.0
        setting.machine.processes.sum(torch.zeros(1, device=setting.machine.device))
        return value

    return contender


def exchange(setting: Setting, size: int, times: int = 3) -> Callable[[], float]:
    """An all-reduce of so many bytes, as training does it; what is added up stays 0."""
    values = torch.zeros(size // 4, device=setting.machine.device)

    def contender() -> float:
        setting.machine.processes.sum(values)  # all are there
        synchronise(setting.machine.device)
        started = time.perf_counter()
        for _ in range(times):
            setting.machine.processes.sum(values)
        synchronise(setting.machine.device)
        return (time.perf_counter() - started) / times

    return contender


def input_seconds(setting: Setting, count: int = 6400) -> dict[str, Any]:
    """Seconds per image to sample its augmentation, and to apply it, in one process."""
    device, policy = setting.machine.device, paper_params().augment.online
    split = DeviceSplit.from_arrays(first(setting.images, count), device)
    augmentation = BatchAugmentation(policy, 32, 32, 100, device)
    plan = plan_epoch(count, BATCH, policy, seed=0, epoch=0)

    def sample() -> None:
        plan_epoch(count, BATCH, policy, seed=0, epoch=0)

    def augment() -> None:
        for _ in batches(split, plan, augmentation):
            pass

    def timed(act: Callable[[], None]) -> Callable[[], float]:
        def seconds() -> float:
            started = time.perf_counter()
            act()
            synchronise(device)
            return (time.perf_counter() - started) / count

        return by_first(setting, seconds)

    seconds = interleave({"drawing": timed(sample), "augmentation": timed(augment)}, REPETITIONS)
    return {name: median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
