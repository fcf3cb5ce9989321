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
from tinyres.sources.folder_layout import Layout, check_classes, find_images, first
from tinyres.sources.source import Source

ARCHIVE, LISTING = "images.zip", "images.json"
PER_PROCESS = 500  # images that are worth starting another process for

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
    """Put all images of `data.folder` into the folder `target`, each read once to see that it can be.

    What is passed over is told on stderr, and counted in the listing.

    Raises:
        UserError: the folder, its classes or, unless `data.unreadable` says to skip them, some files are not as they
            must be; `target` is then as it was.
    """
    layout = find_images(Path(data.folder or ""))
    with replacing(target) as draft:
        draft.mkdir()
        pictures, unreadable = _pack(layout, draft / ARCHIVE)
        if unreadable and data.unreadable == "refuse":
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
    """Which of `count` images in a folder cannot be read, from the sentence on each, and what to do about it."""
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
    """Write the archive of all files that are readable images; returns these, and for each other file why it is not."""
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
    """The file's content, the image's size and the hash of its pixels; or why it cannot be read."""
    from tinyres.sources.photographs import read_verified

    try:
        content, pixels = read_verified(folder / name)
    except UserError as error:
        return str(error)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return content, (pixels.shape[0], pixels.shape[1]), digest


def sizes_of(layout: Layout) -> tuple[dict[str, Size], dict[str, str]]:
    """Height and width (pixels) of each image as reading gives it, and of each that cannot be read the reason."""
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
    """All images that `download` put into `folder`, as pixels of one size.

    They come in the order of their hashes, as good as random: whoever takes the first ones gets all classes, and no
    burst of a camera.

    Args:
        folder: what `download` wrote.
        image_size: side in pixels that each image is brought to; None where all have the same size.
        seed: decides which images are tested on where there is no `test/`.

    Raises:
        UserError: the files are missing or damaged, or images of several sizes are given none to have.
    """
    share, pictures = _read_listing(folder)
    pictures.sort(key=lambda picture: (picture.sha256, picture.name))
    size = (image_size, image_size) if image_size else _common_size(pictures)
    classes = sorted({picture.class_name for picture in pictures})
    labels = np.array([classes.index(picture.class_name) for picture in pictures], np.int64)
    tests = _draw(labels, share, seed) if share else np.array([picture.split == "test" for picture in pictures])

    archive = folder / ARCHIVE
    if not archive.is_file():
        raise UserError(f"{archive} is missing; make it with `dvc repro -f download`.")
    pixels = np.empty((len(pictures), *size, 3), np.uint8)
    unpack = partial(_unpack, archive, archive.stat().st_mtime_ns, size)
    for row, image in enumerate(_in_processes(unpack, [picture.name for picture in pictures], "subset-extract")):
        pixels[row] = image
    everything = Split(pixels, labels)
    rows = {"train": np.flatnonzero(~tests), "test": np.flatnonzero(tests)}
    splits = {name: everything.take(of_split) for name, of_split in rows.items()}
    files = {name: [pictures[row].name for row in of_split] for name, of_split in rows.items()}
    return Source("image_folder", classes, {}, splits, files)


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


def _draw(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which images are tested on, as many of each class as `tests_among` says."""
    generator = np.random.default_rng(seed)
    tests = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        tests[generator.choice(rows, tests_among(len(rows), share), replace=False)] = True
    return tests


def tests_among(images: int, share: float) -> int:
    """How many of a class's images are tested on: its share to within half an image, but at least one and not all."""
    return min(max(round(share * images), 1), images - 1)


def _unpack(archive: Path, written: int, size: tuple[int, int], name: str) -> NDArray[np.uint8]:
    from tinyres.sources.photographs import decode

    try:
        return decode(_opened(archive, written).read(name), size)
    except (zipfile.BadZipFile, KeyError):
        raise UserError(f"{archive} is damaged; make it again with `dvc repro -f download`.") from None


@lru_cache(maxsize=1)
def _opened(archive: Path, written: int) -> zipfile.ZipFile:
    """The archive, opened once per process, since its directory is long; `written` tells it from an older one."""
    return zipfile.ZipFile(archive)


# Both


def _in_processes(function: Callable[[Item], Result], items: list[Item], what: str) -> Iterator[Result]:
    """The results in the order of the items, of as many processes as there are cores and enough to do.

    Processes, since Pillow holds Python's lock for most of the time that a small image takes, and since `warnings`,
    which must be set for each image, are the whole process's.
    """
    from joblib import Parallel, cpu_count, delayed
    from tqdm import tqdm

    processes = min(cpu_count(), 1 + len(items) // PER_PROCESS)
    results: Any = Parallel(processes, return_as="generator")(delayed(function)(item) for item in items)
    shown = tqdm(results, what, len(items), unit="image", file=sys.stderr, disable=not sys.stderr.isatty())
    yield from shown
