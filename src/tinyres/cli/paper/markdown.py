"""Paragraphs of the pages, wrapped as those that are written by hand."""

import textwrap

WIDTH = 120


def paragraph(text: str) -> str:
    """Return a paragraph, wrapped; links and words with hyphens stay whole."""
    return _wrapped(text, "")


def bullets(*points: str) -> str:
    """Return a list with a point to each text, wrapped."""
    return "\n".join(_wrapped(f"- {point}", "  ") for point in points)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
