"""Measure all benchmarks, or the named ones; then write `results.json` and the pages on it."""

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import (
    arithmetic,
    convolutions,
    efficiency,
    end_to_end,
    growth,
    image_folder,
    ingredients,
    input_rate,
    keras_fit,
    policies,
    projection,
    quickstart,
    scaling,
    scaling_page,
    start_up,
    tracking,
    waiting,
)
from benchmarks.measure import environment, instruction_set
from benchmarks.readme import number, render
from benchmarks.setting import Setting, make_setting
from tinyres.common.atomic import write_json, write_text

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE / "README.md"
BENCHMARKS = {
    "input": input_rate,
    "policies": policies,
    "convolutions": convolutions,
    "efficiency": efficiency,
    "ingredients": ingredients,
    "end-to-end": end_to_end,
    "waiting": waiting,
    "keras": keras_fit,
    "quickstart": quickstart,
    "growth": growth,
    "arithmetic": arithmetic,
    "scaling": scaling,
    "projection": projection,
    "start-up": start_up,
    "image-folder": image_folder,
    "tracking": tracking,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)}; by default all")
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}")
    setting = make_setting()
    for name in names:
        save(kind_of(setting.machine.device), name, measure(name, setting))


def kind_of(device: torch.device) -> str:
    """What results are kept apart by: `cuda` or `cpu`, then `AVX2` where ATEN_CPU_CAPABILITY holds torch to that, and
    `spinning` where GOMP_SPINCOUNT keeps threads awake."""
    kind = [device.type]
    if device.type == "cpu" and "ATEN_CPU_CAPABILITY" in os.environ:
        kind.append(instruction_set())
    if device.type == "cpu" and os.environ.get("GOMP_SPINCOUNT", "0") != "0":
        kind.append("spinning")
    return " ".join(kind)


def measure(name: str, setting: Setting) -> dict[str, Any]:
    """Run one benchmark and show its figures."""
    surroundings = environment(setting.machine.device, setting.origin)
    started = time.perf_counter()
    figures = BENCHMARKS[name].measure(setting)
    print(f"{name} ({time.perf_counter() - started:.0f} s)")
    for figure in figures:
        print(f"  {figure.what}: {number(figure.value)}{figure.unit} {figure.target and f'({figure.target}) '}", end="")
        print(f"[{figure.detail}]", flush=True)
    return {"environment": surroundings, "figures": [asdict(figure) for figure in figures]}


def save(kind: str, name: str, result: dict[str, Any]) -> None:
    """Put one result beside the others, and write the pages anew."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results.setdefault(kind, {})[name] = result
    write_json(RESULTS, results)
    write_text(PAGE, render(results, BENCHMARKS))
    write_text(scaling_page.PAGE, scaling_page.render(results))


if __name__ == "__main__":
    main()
