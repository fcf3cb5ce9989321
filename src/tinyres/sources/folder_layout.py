"""How a folder of pictures is laid out: its splits, its classes, their files, and what in it is passed over.

    <folder>/train/<class>/<name>.png  and  <folder>/test/<class>/<name>.png,  or  <folder>/<class>/<name>.png

The usual names of splits are understood in any case, and with `set`, `data` or `images` behind them:

    train  training
    test   testing
    val    valid  validation  validate  dev     tested on where there is no test/, else passed over

Folders below a class belong to it. Links are followed, but not in circles. Names are compared as Unicode NFC, since
macOS and Linux write the same letters differently.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from tinyres.common.errors import UserError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation", "validate", "dev"),
}
SYSTEM_FOLDERS = {
    "@eadir",  # Synology's thumbnails
    "__macosx",  # what macOS packs beside the files
    "__pycache__",
    "lost+found",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "network trash folder",
    "temporary items",
}
HIDDEN, SYSTEM, NO_IMAGE = "hidden", "the system's own", "no images that can be read"
OUTSIDE, BESIDE = "images outside of the class folders", "beside the folders of train and test"
CIRCLE, BROKEN = "links in a circle", "links that lead nowhere"
UNREADABLE = "unreadable images"
SHOWN = 3  # names in a sentence
MOST_SPLITS = 10  # top folders that may be splits, ten-fold cross-validation included
BREAKS_A_TABLE = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's categories: control characters, no text at all, ends of lines

Found = dict[str, dict[str, list[str]]]
"""Names of files below the folder, by split (`train` and `test`, or the empty one) and class."""


@dataclass
class Layout:
    """What a folder of pictures holds."""

    folder: Path
    images: Found = field(default_factory=dict)
    split_folders: dict[str, str] = field(default_factory=dict)
    """The folder of each split, by the split's name; of the empty one, the empty name."""
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    """By reason, the names of files and folders that are not read."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what may not be as its owner thinks it is."""

    def names(self) -> Iterator[str]:
        """Yield all images' names below the folder."""
        for classes in self.images.values():
            for images in classes.values():
                yield from images

    def without(self, unreadable: set[str]) -> "Layout":
        """Return the layout without these images, which are passed over as unreadable."""
        images = {
            split: {label: [name for name in names if name not in unreadable] for label, names in classes.items()}
            for split, classes in self.images.items()
        }
        passed_over = self.passed_over | ({UNREADABLE: sorted(unreadable)} if unreadable else {})
        return Layout(self.folder, images, self.split_folders, passed_over, self.notes)

    def pass_over(self, reason: str, name: str) -> None:
        """Count a file or a folder among those that are not read."""
        self.passed_over.setdefault(reason, []).append(name)

    def remarks(self) -> list[str]:
        """Return the notes and, if anything was passed over, a sentence on that."""
        if not self.passed_over:
            return self.notes
        reasons = [f"{reason}: {len(names):,} ({first(names)})" for reason, names in sorted(self.passed_over.items())]
        return [*self.notes, f"passed over in {self.folder}: {'; '.join(reasons)}."]


def find_images(folder: Path) -> Layout:
    """Find all images in the class folders and in the folders below them, sorted by name.

    Raises:
        UserError: there is no such folder, its splits are ambiguous, a name cannot be written to a table, or its
            classes are not fit to train on.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {str(folder)!r} of images; check its name.")
    layout = Layout(folder)
    walk = _Walk(layout)
    top = walk.subfolders("", (os.path.realpath(folder),))
    layout.split_folders = _splits(layout, walk, top)
    for split, name in layout.split_folders.items():
        classes = dict(walk.subfolders(name, top[name])) if split else top
        layout.images[split] = _classes(layout, walk, split, classes)
    _look_for_misplaced_splits(layout)
    check_classes(layout)
    return layout


def check_classes(layout: Layout) -> None:
    """Refuse a layout that cannot be trained and tested on.

    Raises:
        UserError: no images, a class without any, fewer than two classes, or other classes in `test/` than in `train/`.
    """
    folder = layout.folder
    for split, classes in layout.images.items():
        place = folder / layout.split_folders[split]
        if not any(classes.values()):
            raise UserError(f"{place} holds no images; put them there as CLASS/NAME.png.")
        for name, images in classes.items():
            if not images:
                which = "images that can be read" if UNREADABLE in layout.passed_over else "images"
                raise UserError(f"The class {name!r} has no {which} in {place / name}; add some or remove it.")
            if not split and len(images) < 2:
                raise UserError(f"The class {name!r} has one image only; it needs one to train and one to test on.")
    for here, there in (("test", "train"), ("train", "test")):
        if lacking := sorted(set(layout.images.get(here, {})) - set(layout.images.get(there, {}))):
            this, other = layout.split_folders[here], layout.split_folders[there]
            raise UserError(f"{this}/ in {folder} has {first(lacking)}, which {other}/ lacks; give both all classes.")
    split, classes = next(iter(layout.images.items()))
    if len(classes) < 2:
        name = next(iter(classes))
        nested = not split and _inner_folders(classes[name])
        inner = f", or give {folder / name} if its folders are the classes" if nested else ""
        raise UserError(f"{folder} holds one class only, {name!r}; there must be at least two{inner}.")


def first(names: list[str]) -> str:
    """Join the first names and count the others: `a, b, c and 5 more`."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def split_of(name: str) -> str | None:
    """Return the split that a folder is named for: `train`, `test`, `validation`, or None."""
    letters = re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name).casefold())
    for split, names in SPLIT_NAMES.items():
        if re.fullmatch(rf"({'|'.join(names)})(set|data|images)?", letters):
            return split
    return None


Real = tuple[str, ...]
"""Where a folder really lies, and before it where its links set out from."""


class _Walk:
    """Goes through the folders and notes in the layout what it passes over.

    Paths are text here: 60,000 of them take a noticeable time as `Path`.
    """

    def __init__(self, layout: Layout) -> None:
        from tinyres.sources.photographs import is_image, suffixes  # Pillow takes longer to load than all the rest

        self.layout, self.is_image, self.suffixes = layout, is_image, suffixes()

    def subfolders(self, name: str, real: Real) -> dict[str, Real]:
        """Return the folders in a folder, by their names below the top; images beside them are passed over."""
        folders = {}
        for entry, below in self._entries(name):
            if self._is_folder(entry):
                if (place := self._enter(entry, below, real)) is not None:
                    folders[below] = place
            elif entry.name.startswith("."):
                self.layout.pass_over(HIDDEN, below)
            elif self._is_image(entry, below):
                self.layout.pass_over(OUTSIDE, below)
        return folders

    def images(self, name: str, real: Real) -> Iterator[str]:
        """Yield the images in a folder and in all folders below it, by their names below the top."""
        for entry, below in self._entries(name):
            if self._is_folder(entry):
                if (place := self._enter(entry, below, real)) is not None:
                    yield from self.images(below, place)
            elif entry.name.startswith("."):
                self.layout.pass_over(HIDDEN, below)
            elif self._is_image(entry, below):
                if not entry.name.isprintable():
                    _check_name(below, self.layout.folder)
                yield below

    def holds_folders(self, name: str) -> bool:
        """Return whether a folder has others in it that are not passed over."""
        return any(self._is_folder(entry) and _reason(entry.name) is None for entry, _ in self._entries(name))

    def _entries(self, name: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        with os.scandir(self.layout.folder / name) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                yield entry, f"{name}/{entry.name}" if name else entry.name

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError:  # a link to itself
            return False

    def _enter(self, entry: os.DirEntry[str], name: str, real: Real) -> Real | None:
        """Return where the folder really lies, or None if it is passed over."""
        if reason := _reason(entry.name):
            self.layout.pass_over(reason, name)
        elif not entry.is_symlink():
            return (*real[:-1], os.path.join(real[-1], entry.name))  # noqa: PTH118
        else:
            target = os.path.realpath(entry.path)
            if not any(Path(place).is_relative_to(target) for place in real):
                return (*real, target)
            self.layout.pass_over(CIRCLE, name)
        return None

    def _is_image(self, entry: os.DirEntry[str], name: str) -> bool:
        if entry.is_symlink() and not Path(entry.path).exists():
            self.layout.pass_over(BROKEN, name)
            return False
        if os.path.splitext(entry.name)[1].lower() in self.suffixes:  # noqa: PTH122
            return True
        if self.is_image(Path(entry.path)):
            return True
        self.layout.pass_over(NO_IMAGE, name)
        return False


def _reason(folder_name: str) -> str | None:
    """Return why a folder of this name is passed over, or None if it is not."""
    if folder_name.startswith("."):
        return HIDDEN
    return SYSTEM if folder_name.casefold() in SYSTEM_FOLDERS else None


def _splits(layout: Layout, walk: _Walk, top: dict[str, Real]) -> dict[str, str]:
    """Return the folder of each split, or the empty name twice if the classes lie at the top."""
    folder = layout.folder
    present: dict[str, list[str]] = {}
    for name in top:
        if (split := split_of(name)) and walk.holds_folders(name):
            present.setdefault(split, []).append(name)
    if not present.keys() & {"train", "test"}:
        return {"": ""}
    if "test" not in present and "validation" in present:
        present["test"] = present.pop("validation")
        layout.notes.append(f"note: {folder} has no test/, so {present['test'][0]}/ is tested on.")
    for split in ("train", "test"):
        if split not in present:
            other = next(iter(present[each] for each in ("train", "test") if each in present))[0]
            raise UserError(
                f"{folder} has {other}/ with classes in it, but no classes in {split}/; "
                f"add them, or move the classes of {other}/ up into {folder} to test on a share of them."
            )
        if len(present[split]) > 1:
            both = "/ and ".join(present[split])
            raise UserError(f"{both}/ in {folder} both are named for {split}; keep one, or join them.")
    for name in top:
        if name not in (present["train"][0], present["test"][0]):
            layout.pass_over(BESIDE, name)
    return {split: present[split][0] for split in ("train", "test")}


def _classes(layout: Layout, walk: _Walk, split: str, folders: dict[str, Real]) -> dict[str, list[str]]:
    """Return the files' names by class. Folders whose names look the same are one class."""
    classes: dict[str, list[str]] = {}
    for below, real in folders.items():
        _check_name(below, layout.folder)
        label = unicodedata.normalize("NFC", Path(below).name)
        if label in classes:
            layout.notes.append(
                f"note: two folders in {layout.folder / layout.split_folders[split]} are called {label!r}, "
                "with the same letters in different codes; they are read as one class."
            )
        classes[label] = sorted([*classes.get(label, []), *walk.images(below, real)])
    return dict(sorted(classes.items()))


def _check_name(name: str, folder: Path) -> None:
    if any(unicodedata.category(letter) in BREAKS_A_TABLE for letter in name):
        raise UserError(f"The name {name!a} in {folder} cannot be written to a table; rename it.")


def _look_for_misplaced_splits(layout: Layout) -> None:
    """Look for splits that were taken for classes, and for splits inside of the classes.

    Raises:
        UserError: each class has folders named for training and testing.
    """
    classes = layout.images.get("", {})
    if not 2 <= len(classes) <= MOST_SPLITS:
        return
    inner = [_inner_folders(images) for images in classes.values()]
    everywhere, anywhere = reduce(set.__and__, inner), reduce(set.__or__, inner)
    if {"train", "test"} <= {split_of(name) for name in everywhere}:
        raise UserError(
            f"The classes in {layout.folder} hold folders for training and testing ({first(sorted(everywhere))}); "
            f"put these at the top, as train/CLASS and test/CLASS."
        )
    if len(everywhere) >= 2 and 2 * len(everywhere) >= len(anywhere):
        layout.notes.append(
            f"note: the folders in {layout.folder} ({first(list(classes))}) each hold {first(sorted(everywhere))}, as "
            "splits do, but are taken as classes; if they are splits, name them train/ and test/."
        )


def _inner_folders(images: list[str]) -> set[str]:
    """Return the folders directly below a class at the top, or none if images lie beside them."""
    paths = [name.split("/") for name in images]
    if any(len(parts) == 2 for parts in paths):
        return set()
    return {unicodedata.normalize("NFC", parts[1]) for parts in paths}
