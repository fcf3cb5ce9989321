"""What several processes gain, measured on two and predicted from one: seconds per step at four batch sizes, of one
process while the other sleeps; the same of two processes that torchrun started, on a CPU with one thread each; and
all-reduces between them. [docs/scaling.md](../docs/scaling.md) goes on from there to 64."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Figure, median, spread
from benchmarks.ranks import BATCH
from benchmarks.scaling_page import costs, predicted_gain, span
from benchmarks.setting import NETWORKS, ROOT, Setting

TITLE = "Scaling"


def measure(setting: Setting) -> list[Figure]:
    """Per network: a step of one process, and what two gain, unless there is but one GPU."""
    measured = train_in_ranks(setting)
    figures = []
    for network, name in NETWORKS.items():
        own = measured["networks"].pop(network) | {each: measured[each] for each in ("drawing", "augmentation")}
        cost = costs(own)
        image = cost.network + cost.augmentation + cost.drawing
        detail = f"fitted: {cost.fixed * 1e3:.3g} ms and {image * 1e3:.3g} ms an image; {own['gradient'] / 1e6:.1f} MB"
        milliseconds = own["steps"][str(BATCH)] * 1e3
        figures.append(Figure(f"{name}, step of {BATCH}, one process", milliseconds, " ms", "", detail, own))
        for way, words in {"strong": f"batch {BATCH}", "weak": f"batch {BATCH} each"}.items():
            if "together" in own:
                pairs = own["together"][way]
                detail = f"predicted {span(*predicted_gain(own, way))}; {spread(pairs)}"
                figures.append(Figure(f"{name}, {words}, two processes against one", median(pairs), "×", "", detail))
    return figures


def train_in_ranks(setting: Setting) -> dict[str, Any]:
    """What `benchmarks.ranks` measures, with two processes, or one where there is one GPU."""
    processes = min(2, torch.cuda.device_count()) if setting.on_gpu else 2
    threads = {} if setting.on_gpu else {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        environment = os.environ | threads | {"PYTHONPATH": f"{ROOT / 'src'}"}
        subprocess.run([*launcher, "-m", "benchmarks.ranks", file], cwd=ROOT, env=environment, check=True)
        return json.loads(file.read_text(encoding="utf-8"))
