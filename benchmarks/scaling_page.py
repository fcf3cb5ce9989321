"""docs/scaling.md, from the constants that `benchmarks.scaling` measured."""

from collections.abc import Mapping
from typing import Any

from benchmarks.measure import median
from benchmarks.ranks import BATCH
from benchmarks.scaling_model import Costs, Link, Scaling, costs_of, link_of
from benchmarks.setting import NETWORKS, ROOT
from tinyres.evaluation.tables import Table

PAGE = ROOT / "docs/scaling.md"
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
GOOD = 0.95  # an efficiency that nobody asks a reason for
LEAST_SHARE = 2  # images of a process at a time, below which the trainer refuses
ASSUMED = {  # nominal rates, of which NVLink's is that of both directions together; latencies as they are usually seen
    "25 Gbit/s": Link(25e9 / 8, 20e-6),
    "100 Gbit/s": Link(100e9 / 8, 10e-6),
    "NVLink, 900 GB/s": Link(450e9, 3e-6),
}
HEAD = f"""\
# Scaling

What n processes make of each network, on paper: measured are the steps of one process and the all-reduce between two,
the rest is arithmetic (`src/tinyres/scaling.py`). `make bench`, or `PYTHONPATH=src python -m benchmarks scaling`,
measures anew and writes this page, on a GPU with a section of its own.

A step of n processes that share a batch of B images takes

    fixed + (network + augmentation) · B/n + drawing · B + all-reduce
    all-reduce = 2(n − 1)/n · gradient/rate + 2(n − 1) · latency

with the ring's all-reduce of [Patarasuk and Yuan (2009)](https://doi.org/10.1016/j.jpdc.2008.09.002). The fixed part is
a line's through the steps of four batch sizes; every process samples the augmentation of the whole batch. Efficiency is
images per second and process, in relation to one process. Of two figures, the first is that of an all-reduce after the
backward pass, the second of one that hides behind it at no cost. Where more than {100 * (1 - GOOD):.0f} % is lost, a
word names what takes most of it: the **all-reduce**, the **input** (drawing), or the **small batch** (the fixed part,
which fewer images do not shorten). Augmentation is shared out as the network is, and so never the limit.

*{BATCH} in all* is the paper's batch, whoever takes part. Less than {LEAST_SHARE} images each the trainer refuses (–);
with few of them batch normalisation is not what it was, unless `runtime.sync_batch_norm` brings it together. *{BATCH}
each* is another training, with a batch of up to {BATCH * PROCESSES[-1]:,} and a learning rate of its own to be found.
"""
CPU = """\
**These are this CPU's steps, one thread per process, and loopback's all-reduce (gloo); no GPU was measured.** They
foretell machines of one such core each, joined as fast as loopback, and say nothing of a GPU.
"""
GPU = """\
The steps are this GPU's. The links are assumptions, nominal rates that nobody reaches, with a latency of {latencies}.
"""
CHECK = """\
**Two processes, predicted and measured**, as a multiple of one's images per second. Both columns are of the same run;
what the prediction leaves out is that two cores share caches and memory, the copies that DistributedDataParallel makes,
and waiting for whoever is last. Where others use the machine too (the load average above), the second process has no
core to itself, and the measured gain is smaller for that reason as well.
"""


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page: the model, then a section per machine that was measured."""
    sections = [HEAD]
    for kind, machine in results.items():
        if "scaling" in machine:
            sections.append(section(kind, machine["scaling"]))
    return "\n".join(sections)


def section(kind: str, result: Mapping[str, Any]) -> str:
    """One machine: what was measured, how far the model is right, and where it leads."""
    measured = dict(zip(NETWORKS, (each["constants"] for each in result["figures"] if each["constants"]), strict=True))
    latencies = ", ".join(f"{link.latency * 1e6:.0f} µs ({name})" for name, link in ASSUMED.items())
    words = CPU if kind == "cpu" else GPU.format(latencies=latencies)
    parts = [f"## On a {'GPU' if kind == 'cuda' else kind.upper()}\n", f"{words}\nOn {result['environment']}:\n"]
    parts.append(constants_table(measured))
    if all("together" in own for own in measured.values()):
        parts += [CHECK, check_table(measured)]
    for network, own in measured.items():
        parts += [f"### {NETWORKS[network][0].upper()}{NETWORKS[network][1:]}\n", prediction_table(kind, own)]
    return "\n".join(parts)


def constants_table(measured: Mapping[str, Any]) -> str:
    """What the prediction is made of."""
    header = ["measured", "fixed (ms)", "network (ms/image)", "augmentation (µs/image)", "drawing (µs/image)"]
    header += ["gradient (MB)", "all-reduce (MB/s)", "latency (µs)"]
    rows = []
    for network, own in measured.items():
        cost = costs(own)
        row = [f"{cost.fixed * 1e3:.1f}", f"{cost.network * 1e3:.3f}", f"{cost.augmentation * 1e6:.1f}"]
        row += [f"{cost.drawing * 1e6:.2f}", f"{cost.gradient / 1e6:.2f}"]
        link = measured_link(own)
        row += [f"{link.rate / 1e6:,.0f}", f"{link.latency * 1e6:,.0f}"] if link else ["–", "–"]
        rows.append([NETWORKS[network], *row])
    return Table(header, rows).render("md")


def check_table(measured: Mapping[str, Any]) -> str:
    """Prediction and measurement side by side."""
    rows = []
    for network, own in measured.items():
        row = [NETWORKS[network]]
        for way in ("strong", "weak"):
            row += [span(*predicted_gain(own, way)), f"{measured_gain(own, way):.2f}"]
        rows.append(row)
    header = ["images", *(f"{BATCH} {way}: {what}" for way in ("in all", "each") for what in ("predicted", "measured"))]
    return Table(header, rows).render("md")


def prediction_table(kind: str, own: Mapping[str, Any]) -> str:
    """Efficiency and limit of one network: a row per number of processes, a column per link and way to grow."""
    measured = measured_link(own)
    links = {"loopback": measured} if kind == "cpu" and measured is not None else ASSUMED
    header, columns = ["processes"], []
    for grows, words in ((False, "in all"), (True, "each")):
        for name, link in links.items():
            header.append(f"{BATCH} {words}, {name}")
            columns.append([cell(own, link, grows, processes) for processes in PROCESSES])
    rows = [[str(n), *row] for n, *row in zip(PROCESSES, *columns, strict=True)]
    return Table(header, rows).render("md")


def cell(own: Mapping[str, Any], link: Link, grows: bool, processes: int) -> str:
    """`0.41 to 0.58, all-reduce`."""
    if not grows and BATCH / processes < LEAST_SHARE:
        return "–"
    ways = [Scaling(costs(own), link, BATCH, grows, overlaps) for overlaps in (False, True)]
    efficiencies = [way.efficiency(processes) for way in ways]
    limits = [way.limit(processes) for way, each in zip(ways, efficiencies, strict=True) if each < GOOD]
    return span(*efficiencies) + (f", {' or '.join(dict.fromkeys(limits))}" if limits else "")


def predicted_gain(own: Mapping[str, Any], way: str) -> list[float]:
    """Images per second of two processes over one's: with the all-reduce after the backward pass, and beside it."""
    link = measured_link(own)
    assert link is not None
    return [2 * Scaling(costs(own), link, BATCH, way == "weak", each).efficiency(2) for each in (False, True)]


def measured_gain(own: Mapping[str, Any], way: str) -> float:
    """The same, as it was."""
    return median(own["together"][way])


def costs(own: Mapping[str, Any]) -> Costs:
    """What one network's measured steps come to."""
    sizes = [int(size) for size in own["steps"]]
    return costs_of(sizes, list(own["steps"].values()), own["augmentation"], own["drawing"], own["gradient"])


def measured_link(own: Mapping[str, Any]) -> Link | None:
    """From the all-reduces of two processes, if there were two."""
    exchanged = own.get("all_reduce")
    return link_of([int(size) for size in exchanged], list(exchanged.values())) if exchanged else None


def span(low: float, high: float) -> str:
    """`0.41 to 0.58`, or one number where both read the same."""
    words = [f"{low:.2f}", f"{high:.2f}"]
    return words[0] if words[0] == words[1] else " to ".join(words)
