"""Interleaved repetitions, the figures that come of them, and the machine they hold for."""

import os
import platform
import resource
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
import torchvision

from tinyres.tracking.lineage import processor_name


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    what: str
    value: float
    unit: str
    """Written behind the value: `×`, ` s`, ` GB` or nothing."""
    target: str
    """`≥ 20`, `< 2.5`, `within 0.10 of 1`, or nothing."""
    detail: str
    """What the number was made of."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """What a page of its own goes on from."""

    def reached(self) -> bool:
        """Whether the value meets its target."""
        match self.target.split():
            case ["≥", bound]:
                return self.value >= float(bound)
            case ["<", bound]:
                return self.value < float(bound)
            case ["within", margin, "of", centre]:
                return abs(self.value - float(centre)) <= float(margin)
        return True


def interleave(
    contenders: Mapping[str, Callable[[], float]], repetitions: int, warm_ups: int = 1
) -> dict[str, list[float]]:
    """Call the contenders in turn, every other round backwards; the rounds that warm up come first and do not count."""
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_ups + repetitions):
        for name in sorted(contenders, reverse=bool(turn % 2)):
            value = contenders[name]()
            if turn >= warm_ups:
                results[name].append(value)
    return results


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """The ratio of each pair: neighbours in time, so what slows the machine for a while slows both."""
    return [a / b for a, b in zip(over, under, strict=True)]


def spread(values: Sequence[float]) -> str:
    """`5 pairs from 1.40 to 1.52`."""
    return f"{len(values)} pairs from {min(values):.3g} to {max(values):.3g}"


def median(values: Sequence[float]) -> float:
    """The median, of which a single disturbed repetition changes little."""
    return statistics.median(values)


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory() -> float:
    """The most memory that this process has held, GB.

    Linux counts what the parent held at the fork in `ru_maxrss`; `VmHWM` begins with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def own_memory() -> float:
    """The memory that this process holds now, GB, without the pages of files that are mapped into it."""
    return (psutil.Process().memory_info().rss - getattr(psutil.Process().memory_info(), "shared", 0)) / 1e9


def environment(device: torch.device, images: str) -> str:
    """The machine, the versions, the images, and how busy the machine was, in one line."""
    processor = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    machine = f"{processor} of {processor_name()}, {instruction_set()}"
    if device.type == "cuda":
        machine = f"{torch.cuda.get_device_name(device)}, {machine}"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    spins = f", GOMP_SPINCOUNT={os.environ['GOMP_SPINCOUNT']}" if "GOMP_SPINCOUNT" in os.environ else ""
    load = f", load average {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{machine}; {platform.system()}, {versions}; {images}{spins}{load}"


def instruction_set() -> str:
    """The widest vectors that torch and our kernels use on this CPU: `AVX512`, `AVX2` or `DEFAULT`."""
    return torch.backends.cpu.get_cpu_capability()
