"""One's own pictures: image files of any size, in a folder for each class, as `folder_layout` understands them.

`download` puts the files as they are into one archive, with a listing of what each holds. So later stages need neither
the folder nor its tens of thousands of files, and DVC has two to hash and to cache.

    images.zip    the files, not compressed again, by their names below the folder
    images.json   the share to test on (null: the folder has images to test on), how many files were passed over for
                  which reason, and per image its name, split, class, height, width (pixels) and the SHA-256 of its
                  decoded pixels
"""

import hashlib
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.params import Data
from tinyres.sources.folder_layout import SHOWN, Layout, check_classes, find_images, first
from tinyres.sources.source import Source

ARCHIVE, LISTING = "images.zip", "images.json"
PROCESSES_START = 1.0  # seconds that starting other processes takes, about

Size = tuple[int, int]
"""Height and width, pixels."""
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Picture:
    """One image file."""

    name: str
    """Below the folder: `train/cat/1.png` or `cat/1.png`."""
    split: str
    """`train` or `test`; empty where the split is drawn."""
    class_name: str
    height: int
    width: int
    sha256: str
    """Of the decoded pixels and their shape: the same picture in another file format is the same."""


# download


def download(target: Path, data: Data) -> None:
    """Read every image of `data.folder` once, to check that it can be read, and put the files into the folder `target`.

    What is passed over is reported on stderr and counted in the listing.

    Raises:
        UserError: the folder or its classes cannot be used, or some images cannot be read and `data.unreadable` does
            not say to skip them; `target` is then left as it was.
    """
    layout = find_images(Path(data.folder or ""))
    with replacing(target) as draft:
        draft.mkdir()
        pictures, unreadable = _pack(layout, draft / ARCHIVE)
        if unreadable and data.unreadable == "refuse":
            for sentence in list(unreadable.values())[:SHOWN]:
                print(f"unreadable: {sentence}", file=sys.stderr)
            raise UserError(in_one_sentence(unreadable, len(pictures) + len(unreadable), layout.folder))
        for sentence in unreadable.values():
            print(f"skipped: {sentence}", file=sys.stderr)
        readable = layout.without(set(unreadable))
        check_classes(readable)
        listing = {
            "test": None if "test" in layout.images else data.test,
            "passed_over": {reason: len(names) for reason, names in sorted(readable.passed_over.items())},
            "images": [astuple(picture) for picture in pictures],
        }
        (draft / LISTING).write_text(json.dumps(listing, indent=0) + "\n", encoding="utf-8")
    for remark in layout.remarks():
        print(remark, file=sys.stderr)


def in_one_sentence(unreadable: dict[str, str], count: int, folder: Path) -> str:
    """Say which of a folder's `count` images cannot be read and what to do about them.

    Args:
        unreadable: a sentence on each such image, by the image's name.
    """
    from tinyres.sources.photographs import HEIC_REMEDY

    remedy = "mend or remove them"
    if heic := sum(HEIC_REMEDY in sentence for sentence in unreadable.values()):
        kind = "HEIC photographs" if heic == len(unreadable) else f"{heic:,} of them, HEIC photographs"
        remedy = f"for {kind}, {HEIC_REMEDY}; else {remedy}"
    return (
        f"{len(unreadable):,} of {count:,} images in {folder} cannot be read: {first(list(unreadable))}; "
        f"{remedy}, or set data.unreadable to skip."
    )


def _pack(layout: Layout, archive: Path) -> tuple[list[Picture], dict[str, str]]:
    """Write all readable images into the archive; return them and, by name, a sentence on each that is not readable."""
    pictures: list[Picture] = []
    unreadable: dict[str, str] = {}
    places = [
        (name, split, label)
        for split, classes in layout.images.items()
        for label, names in classes.items()
        for name in names
    ]
    verified = _in_processes(partial(_verify, layout.folder), [name for name, *_ in places], "download")
    with zipfile.ZipFile(archive, "w") as output:
        for place, result in zip(places, verified, strict=True):
            if isinstance(result, str):
                unreadable[place[0]] = result
                continue
            content, (height, width), digest = result
            output.writestr(zipfile.ZipInfo(place[0]), content)  # a ZipInfo has a fixed date: always the same bytes
            pictures.append(Picture(*place, height, width, digest))
    return pictures, unreadable


def _verify(folder: Path, name: str) -> tuple[bytes, Size, str] | str:
    """Return the file's content, the image's size and the hash of its pixels, or a sentence on why it is unreadable."""
    from tinyres.sources.photographs import read_verified

    try:
        content, pixels = read_verified(folder / name)
    except UserError as error:
        return str(error)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return content, (pixels.shape[0], pixels.shape[1]), digest


def sizes_of(layout: Layout) -> tuple[dict[str, Size], dict[str, str]]:
    """Return the height and width (pixels) of each readable image, and a sentence on each other one, by name."""
    names = list(layout.names())
    sizes: dict[str, Size] = {}
    unreadable: dict[str, str] = {}
    for name, result in zip(names, _in_processes(partial(_size, layout.folder), names, "new-study"), strict=True):
        if isinstance(result, str):
            unreadable[name] = result
        else:
            sizes[name] = result
    return sizes, unreadable


def _size(folder: Path, name: str) -> Size | str:
    from tinyres.sources.photographs import size_of

    try:
        return size_of(folder / name)
    except UserError as error:
        return str(error)


# subset-extract


def read(folder: Path, image_size: int | None, seed: int) -> Source:
    """Read all images that `download` put into `folder`, and bring them to one size.

    They are sorted by their hashes, which is as good as a random order: the first ones are of all classes, and are not
    all of one burst of a camera.

    Args:
        folder: The folder that `download` wrote.
        image_size: The side in pixels to which each image is resized; None if all images have one size already.
        seed: Decides which images are tested on if the folder has no test images of its own.

    Raises:
        UserError: the files are missing or damaged, or the images differ in size and `image_size` is None.
    """
    pictures, tests = _in_order(folder, seed)
    size = (image_size, image_size) if image_size else _common_size(pictures)
    classes = sorted({picture.class_name for picture in pictures})
    labels = np.array([classes.index(picture.class_name) for picture in pictures], np.int64)

    archive = folder / ARCHIVE
    if not archive.is_file():
        raise UserError(f"{archive} is missing; make it with `dvc repro -f download`.")
    pixels = np.empty((len(pictures), *size, 3), np.uint8)
    unpack = partial(_unpack, archive, archive.stat().st_mtime_ns, size)
    for row, image in enumerate(_in_processes(unpack, [picture.name for picture in pictures], "subset-extract")):
        pixels[row] = image
    everything = Split(pixels, labels)
    splits = {name: everything.take(rows) for name, rows in _rows(tests).items()}
    return Source("image_folder", classes, {}, splits, _names(pictures, tests))


def file_names(folder: Path, seed: int) -> dict[str, list[str]]:
    """Return the names of each split's files in the order in which `read` returns their images, but read none of them.

    Args:
        folder: The folder that `download` wrote.
        seed: Decides which images are tested on if the folder has no test images of its own.

    Raises:
        UserError: the listing is missing or damaged.
    """
    return _names(*_in_order(folder, seed))


def _in_order(folder: Path, seed: int) -> tuple[list[Picture], NDArray[np.bool_]]:
    """Return all pictures in their order, and a mask of those that are tested on."""
    share, pictures = _read_listing(folder)
    pictures.sort(key=lambda picture: (picture.sha256, picture.name))
    if share is None:
        return pictures, np.array([picture.split == "test" for picture in pictures])
    return pictures, _sample_tests(np.array([picture.class_name for picture in pictures]), share, seed)


def _names(pictures: list[Picture], tests: NDArray[np.bool_]) -> dict[str, list[str]]:
    return {split: [pictures[row].name for row in rows] for split, rows in _rows(tests).items()}


def _rows(tests: NDArray[np.bool_]) -> dict[str, NDArray[np.intp]]:
    return {"train": np.flatnonzero(~tests), "test": np.flatnonzero(tests)}


def _read_listing(folder: Path) -> tuple[float | None, list[Picture]]:
    try:
        listing = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        return listing["test"], [Picture(*row) for row in listing["images"]]
    except FileNotFoundError:
        raise UserError(f"{folder / LISTING} is missing; make it with `dvc repro -f download`.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{folder / LISTING} is damaged; make it again with `dvc repro -f download`.") from None


def _common_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    sizes = sorted({(picture.height, picture.width) for picture in pictures}, key=lambda size: size[0] * size[1])
    if len(sizes) > 1:
        smallest, largest = (f"{width}×{height}" for height, width in (sizes[0], sizes[-1]))
        raise UserError(
            f"The images have {len(sizes):,} different sizes, from {smallest} to {largest} pixels; "
            "set subset.image_size (32, say) to bring them to one."
        )
    return sizes[0]


def _sample_tests(classes: NDArray[np.str_], share: float, seed: int) -> NDArray[np.bool_]:
    """Sample the images to test on, as many of each class as `tests_among` says; return a mask of length N."""
    generator = np.random.default_rng(seed)
    tests = np.zeros(len(classes), bool)
    for name in np.unique(classes):
        rows = np.flatnonzero(classes == name)
        tests[generator.choice(rows, tests_among(len(rows), share), replace=False)] = True
    return tests


def tests_among(images: int, share: float) -> int:
    """Return how many of a class's images are tested on: the rounded share, but at least one and not all."""
    return min(max(round(share * images), 1), images - 1)


def _unpack(archive: Path, written: int, size: tuple[int, int], name: str) -> NDArray[np.uint8]:
    from tinyres.sources.photographs import decode

    try:
        return decode(_opened(archive, written).read(name), size)
    except (zipfile.BadZipFile, KeyError):
        raise UserError(f"{archive} is damaged; make it again with `dvc repro -f download`.") from None


@lru_cache(maxsize=1)
def _opened(archive: Path, written: int) -> zipfile.ZipFile:
    """Open the archive once per process, since its directory is long; a new `written` time means a new archive."""
    return zipfile.ZipFile(archive)


# Both


def _in_processes(function: Callable[[Item], Result], items: list[Item], what: str) -> Iterator[Result]:
    """Apply the function to all items, in several processes if that takes long, and yield the results in order.

    Threads would not do: Pillow holds Python's lock for most of the time that a small image takes, and the filter for
    warnings, which is set for each image, belongs to the whole process.
    """
    from tqdm import tqdm

    results = _some_in_processes(function, items)
    yield from tqdm(results, what, len(items), unit="image", file=sys.stderr, disable=not sys.stderr.isatty())


def _some_in_processes(function: Callable[[Item], Result], items: list[Item]) -> Iterator[Result]:
    """Begin in this process, and leave the rest to several if the first items have shown that it takes long."""
    spent = 0.0  # seconds
    for done, item in enumerate(items):
        if spent > PROCESSES_START / 2 and (len(items) - done) * spent / done > 6 * PROCESSES_START:
            from joblib import Parallel, cpu_count, delayed

            rest: Any = Parallel(cpu_count(), return_as="generator")(delayed(function)(item) for item in items[done:])
            yield from rest
            return
        started = time.perf_counter()
        result = function(item)
        spent += time.perf_counter() - started
        yield result
