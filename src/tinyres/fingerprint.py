"""What a script is made of: the closure of its imports inside `src/tinyres`, and hashes of files and values.

One definition serves twice: tests compare the closure with the dependencies in `dvc.yaml`, and a checkpoint is only
picked up by a training of the same code.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1]


def import_closure(script: Path) -> list[Path]:
    """Every file of the `tinyres` package that `script` imports, directly or not, found by reading the code.

    Imports inside functions count: they run too. Returned sorted, without the script itself.
    """
    found: set[Path] = set()
    unread = [script]
    while unread:
        for module in _imported_modules(ast.parse(unread.pop().read_text(encoding="utf-8"))):
            for file in _files_of(module):
                if file not in found:
                    found.add(file)
                    unread.append(file)
    return sorted(found)


def _imported_modules(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(module: str) -> list[Path]:
    """The file of a module of this package and the `__init__.py` of every package above it."""
    parts = module.split(".")
    if parts[0] != "tinyres":
        return []
    path = SOURCE.joinpath(*parts)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():  # a name inside a module, not a module
        return []
    packages = [SOURCE.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts))]
    return [*packages, file]


def hash_code(script: Path) -> str:
    """SHA-256 over a script and every module of this package that it imports."""
    return hash_files([script, *import_closure(script)])


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
