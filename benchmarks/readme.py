"""The page on which the results stand."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from benchmarks.measure import Figure

HEAD = """# Benchmarks

`make bench` measures everything here anew, on a GPU where torch sees one; `PYTHONPATH=src python -m benchmarks input
growth` some of it. Each figure compares things that ran in turn in one run, every other turn in reverse order; it is
the median of the ratios of neighbours, so that what slows the machine for a while slows both. Times alone would say
more about the machine than about the code. The results stand in `results.json`, from which this page is written.
"""


def render(results: Mapping[str, Mapping[str, Any]], benchmarks: Mapping[str, ModuleType]) -> str:
    """Markdown of all results: by benchmark, then by machine."""
    sections = [HEAD]
    for name, module in benchmarks.items():
        measured = [machine[name] for machine in results.values() if name in machine]
        if measured:
            sections.append(f"## {module.TITLE}\n\n{module.__doc__}\n")
            sections += [table(result) for result in measured]
    return "\n".join(sections)


def table(result: Mapping[str, Any]) -> str:
    """One machine's figures."""
    lines = [f"On {result['environment']}:", "", "| measured | figure | target | made of |", "|---|---|---|---|"]
    for figure in (Figure(**values) for values in result["figures"]):
        missed = "" if figure.reached() else " (missed)"
        value = f"{number(figure.value)}{figure.unit}"
        lines.append(f"| {figure.what} | **{value}** | {figure.target}{missed} | {figure.detail} |")
    return "\n".join([*lines, ""])


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
