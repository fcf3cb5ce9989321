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
GOOD = 0.95  # an efficiency that needs no explanation
LEAST_SHARE = 2  # images per process and step, below which the trainer refuses
ASSUMED = {  # nominal rates (NVLink's per direction) and typical latencies
    "25 Gbit/s": Link(25e9 / 8, 20e-6),
    "100 Gbit/s": Link(100e9 / 8, 10e-6),
    "NVLink, 900 GB/s": Link(450e9, 3e-6),
}
HEAD = f"""\
# Scaling

This page predicts how fast n processes would train each network. Only the steps of one process and the all-reduce
between two are measured; the rest is arithmetic (`benchmarks/scaling_model.py`). `make bench`, or `python -m
benchmarks scaling`, measures again and rewrites this page; a GPU gets its own section.

A step of n processes that share a batch of B images takes

    fixed + (network + augmentation) · B/n + drawing · B + all-reduce
    all-reduce = 2(n − 1)/n · gradient/rate + 2(n − 1) · latency

with the ring all-reduce of [Patarasuk and Yuan (2009)](https://doi.org/10.1016/j.jpdc.2008.09.002). The fixed part is
the intercept of a line through the steps of four batch sizes. *Drawing* is the sampling of augmentation parameters,
which every process does for the whole batch. Efficiency is images per second and process, relative to a single
process. Of two numbers, the first assumes an all-reduce after the backward pass, the second one that is hidden behind
it at no cost. If more than {100 * (1 - GOOD):.0f} % is lost, the table names what causes most of the loss: the
**all-reduce**, the **input** (drawing), or the **small batch** (the fixed part, which fewer images do not shorten).
Augmentation is divided among the processes as the network is, so it is never the limit.

*{BATCH} in all* is the paper's batch, shared by all processes. The trainer refuses fewer than {LEAST_SHARE} images per
process (–). With few images per process batch normalisation changes, unless `runtime.sync_batch_norm` synchronises it.
*{BATCH} each* is a different training, with a batch of up to {BATCH * PROCESSES[-1]:,} and a learning rate that would
have to be tuned for it.
"""
CPU = """\
**The steps are those of this CPU with one thread per process, and the all-reduce is gloo's over loopback; no GPU was
measured.** The predictions are for machines with one such core each and a network as fast as loopback. They say
nothing about a GPU.
"""
GPU = """\
The steps are those of this GPU. The links are assumptions: nominal rates, which are never reached, with latencies of
{latencies}.
"""
CHECK = """\
**Two processes, predicted and measured**, as a multiple of the images per second of one process, in the same run. The
prediction ignores that the two cores share caches and memory, that DistributedDataParallel makes copies, and that the
faster process waits for the slower one. If other programs use the machine too (see the load average above), the second
process has no core to itself, which also makes the measured gain smaller.
"""


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page: the model, then a section per machine that was measured."""
    sections = [HEAD]
    for kind, machine in results.items():
        if "scaling" in machine:
            sections.append(section(kind, machine["scaling"]))
    return "\n".join(sections)


def section(kind: str, result: Mapping[str, Any]) -> str:
    """One machine: what was measured, how well the model predicts two processes, and what it predicts for more."""
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
    """The measured constants that go into the prediction."""
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
    """Images per second of two processes over one's: all-reduce after the backward pass, or hidden behind it."""
    link = measured_link(own)
    assert link is not None
    return [2 * Scaling(costs(own), link, BATCH, way == "weak", each).efficiency(2) for each in (False, True)]


def measured_gain(own: Mapping[str, Any], way: str) -> float:
    """The measured counterpart of `predicted_gain`."""
    return median(own["together"][way])


def costs(own: Mapping[str, Any]) -> Costs:
    """The costs of one network, from its measured steps."""
    sizes = [int(size) for size in own["steps"]]
    return costs_of(sizes, list(own["steps"].values()), own["augmentation"], own["drawing"], own["gradient"])


def measured_link(own: Mapping[str, Any]) -> Link | None:
    """The link between two processes, from their all-reduces; None if only one process was measured."""
    exchanged = own.get("all_reduce")
    return link_of([int(size) for size in exchanged], list(exchanged.values())) if exchanged else None


def span(low: float, high: float) -> str:
    """`0.41 to 0.58`, or one number where both read the same."""
    words = [f"{low:.2f}", f"{high:.2f}"]
    return words[0] if words[0] == words[1] else " to ".join(words)
