"""Which modules of the package a script reaches by its imports, found by reading the code."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src/tinyres"


def modules_reached(script: Path, without: Iterable[str] = ()) -> set[Path]:
    """Every file of the package that `script` imports, directly or not, but for those of the packages in `without`.

    Imports inside functions count: they run too.
    """
    reached: set[Path] = set()
    unread = [script]
    while unread:
        for file in files_imported(unread.pop()):
            if file not in reached and room_of(file) not in without:
                reached.add(file)
                unread.append(file)
    return reached


def files_imported(file: Path) -> Iterator[Path]:
    """The files of the package that the import statements of one file name."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from files_of(name)


def files_of(module: str) -> list[Path]:
    """The file of a module of this package, and the `__init__.py` of every package above it."""
    top, *parts = module.split(".")
    if top != PACKAGE.name:
        return []
    path = PACKAGE.joinpath(*parts)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():  # a name inside a module, not a module
        return []
    packages = [PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts))]
    return [*packages, file]


def room_of(file: Path) -> str:
    """The package directly below `tinyres` that a file belongs to, or the file itself if it belongs to none."""
    return file.relative_to(PACKAGE).parts[0]
