"""The page on which the results stand."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from benchmarks.measure import Figure

HEAD = """# Benchmarks

`make bench` measures everything on this page again, on a GPU if torch sees one; `python -m benchmarks input growth`
measures a part of it. Each figure compares things that took turns in one run, with the order reversed in every other
turn. It is the median of the ratios of neighbouring turns, so whatever slows the machine for a while slows both; times
alone would say more about the machine than about the code. This page is written from `results.json`.
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
