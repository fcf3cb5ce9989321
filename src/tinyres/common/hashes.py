"""Hashes of files, values and source code."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
SOURCE_SUFFIXES = (".py", ".cpp")


def source_files(rooms: Iterable[str]) -> list[Path]:
    """Every source file of the named packages of `tinyres`, and its own `__init__.py`, sorted by path.

    They are the files that DVC hashes where a stage depends on these folders: `.dvcignore` leaves out all but visible
    files with one of `SOURCE_SUFFIXES`.
    """
    inside = [file.relative_to(PACKAGE) for room in rooms for file in (PACKAGE / room).rglob("*")]
    visible = [file for file in inside if not any(part.startswith(".") for part in file.parts)]
    source = [PACKAGE / file for file in visible if file.suffix in SOURCE_SUFFIXES and "__pycache__" not in file.parts]
    return sorted([PACKAGE / "__init__.py", *source])


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 over the contents of the files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def hash_value(value: Any) -> str:
    """SHA-256 of a JSON value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
