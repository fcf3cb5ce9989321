"""Atomic writes: beside the target first, then renamed, so that either the whole result is left or nothing."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(target: Path | str) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or a folder to; on success it takes `target`'s place.

    If the body raises or writes nothing, its draft is removed and `target` stays as it was. A link is itself replaced;
    what it points to is left alone.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    draft, replaced = workspace / target.name, workspace / ".replaced"
    try:
        yield draft
        if os.path.lexists(target) and (target.is_dir() or draft.is_dir()):  # only a file can be replaced by renaming
            target.rename(replaced)
        draft.replace(target)
    finally:
        if os.path.lexists(replaced) and not os.path.lexists(target):
            replaced.rename(target)
        shutil.rmtree(workspace, ignore_errors=True)


def write_text(target: Path | str, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(target: Path | str, value: Any) -> None:
    """Write JSON, indented and with a final newline, whole or not at all."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
