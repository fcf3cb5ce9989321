"""One's own pictures: image files of any size, in a folder for each class.

    <folder>/train/<class>/<name>.png  and  <folder>/test/<class>/<name>.png,  or  <folder>/<class>/<name>.png

`download` puts the files as they are into one archive, with a listing of what each holds. So later stages need neither
the folder nor its tens of thousands of files, and DVC has two to hash and to cache.

    images.zip    the files, not compressed again, by their names below the folder
    images.json   the share to test on (null: there is a test/), and per file its name, height, width (pixels) and the
                  SHA-256 of its decoded pixels
"""

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.params import Data
from tinyres.sources.source import Source

ARCHIVE, LISTING = "images.zip", "images.json"
SPLITS = ("train", "test")
SHOWN = 3  # names in a sentence
PER_PROCESS = 500  # images that are worth starting another process for

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Picture:
    """One image file."""

    name: str
    """Below the folder: `train/cat/1.png` or `cat/1.png`."""
    height: int
    width: int
    sha256: str
    """Of the decoded pixels and their shape: the same picture in another file format is the same."""

    @property
    def class_name(self) -> str:
        """The folder that is named for what the pictures show."""
        parts = PurePosixPath(self.name).parts
        return parts[1] if parts[0] in SPLITS and len(parts) > 2 else parts[0]


# download


def download(target: Path, data: Data) -> None:
    """Put all images of `data.folder` into the folder `target`, each read once to see that it can be.

    Raises:
        UserError: the folder, its classes or, unless `data.unreadable` says to skip them, some files are not as they
            must be; `target` is then as it was.
    """
    folder = Path(data.folder or "")
    found = find_images(folder)
    if "test" in found and (others := [each.name for each in _class_folders(folder) if each.name not in SPLITS]):
        print(f"note: beside train/ and test/ nothing in {folder} is read: {_first(others)}.", file=sys.stderr)
    with replacing(target) as draft:
        draft.mkdir()
        pictures, unreadable = _pack(folder, list(names_of(found)), draft / ARCHIVE)
        _answer_for(unreadable, folder, len(pictures) + len(unreadable), data.unreadable)
        check_classes(folder, _without(found, unreadable))
        listing = {
            "test": None if "test" in found else data.test,
            "images": [astuple(picture) for picture in pictures],
        }
        (draft / LISTING).write_text(json.dumps(listing, indent=0) + "\n", encoding="utf-8")


Found = dict[str, dict[str, list[str]]]
"""Names of files below the folder, by split (`train` and `test`, or the empty one) and class."""


def find_images(folder: Path) -> Found:
    """All files in the class folders, and in folders below these, whose names end as image files do; sorted.

    Hidden files are none, whatever they end in (`._1.jpg`).

    Raises:
        UserError: there is no such folder, or its classes are not fit to train on.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {str(folder)!r} of images; check its name.")
    present = [split for split in SPLITS if _class_folders(folder / split)]
    if len(present) == 1:
        missing = next(split for split in SPLITS if split not in present)
        raise UserError(
            f"{folder} has {present[0]}/ with classes in it, but no classes in {missing}/; "
            f"add them, or move the classes of {present[0]}/ up into {folder} to test on a share of them."
        )
    found = {
        split: {each.name: _images_below(each, folder) for each in _class_folders(folder / split)}
        for split in present or [""]
    }
    check_classes(folder, found)
    return found


def check_classes(folder: Path, found: Found) -> None:
    """Refuse what cannot be trained and tested on.

    Raises:
        UserError: no images, a class without any, fewer than two classes, or other classes in `test/` than in `train/`.
    """
    for split, classes in found.items():
        if not any(classes.values()):
            raise UserError(f"{folder / split} holds no images; put them there as CLASS/NAME.png.")
        for name, images in classes.items():
            if not images:
                raise UserError(f"The class {name!r} has no images in {folder / split / name}; add some or remove it.")
            if not split and len(images) < 2:
                raise UserError(f"The class {name!r} has one image only; it needs one to train and one to test on.")
    for here, there in (("test", "train"), ("train", "test")):
        if lacking := sorted(set(found.get(here, {})) - set(found.get(there, {}))):
            raise UserError(f"{here}/ in {folder} has {_first(lacking)}, which {there}/ lacks; give both all classes.")
    classes = next(iter(found.values()))
    if len(classes) < 2:
        raise UserError(f"{folder} holds one class only, {next(iter(classes))!r}; there must be at least two.")


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _images_below(folder: Path, top: Path) -> list[str]:
    from tinyres.sources.photographs import suffixes

    images = sorted(
        file.relative_to(top).as_posix()
        for file in folder.rglob("*")
        if file.suffix.lower() in suffixes() and not file.name.startswith(".") and not file.is_dir()
    )
    for name in images:
        if not name.isprintable():
            raise UserError(f"The name {name!a} in {top} is no readable text; rename it.")
    return images


def names_of(found: Found) -> Iterator[str]:
    """All files' names, below the folder."""
    for classes in found.values():
        for images in classes.values():
            yield from images


def _without(found: Found, unreadable: dict[str, str]) -> Found:
    return {
        split: {label: [name for name in images if name not in unreadable] for label, images in classes.items()}
        for split, classes in found.items()
    }


def _pack(folder: Path, names: list[str], archive: Path) -> tuple[list[Picture], dict[str, str]]:
    """Write the archive of all files that are readable images; returns these, and for each other file why it is not."""
    pictures: list[Picture] = []
    unreadable: dict[str, str] = {}
    with zipfile.ZipFile(archive, "w") as output:
        for name, result in zip(names, _in_processes(partial(_verify, folder), names, "download"), strict=True):
            if isinstance(result, str):
                unreadable[name] = result
                continue
            content, (height, width), digest = result
            output.writestr(zipfile.ZipInfo(name), content)  # a ZipInfo has a fixed date: the same bytes every time
            pictures.append(Picture(name, height, width, digest))
    return pictures, unreadable


def _verify(folder: Path, name: str) -> tuple[bytes, tuple[int, int], str] | str:
    """The file's content, the image's size and the hash of its pixels; or why it cannot be read."""
    from tinyres.sources.photographs import read_verified

    try:
        content, pixels = read_verified(folder / name)
    except UserError as error:
        return str(error)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return content, (pixels.shape[0], pixels.shape[1]), digest


def _answer_for(unreadable: dict[str, str], folder: Path, count: int, choice: str) -> None:
    """Refuse the files that cannot be read, or name them on stderr."""
    if not unreadable:
        return
    if choice == "refuse":
        raise UserError(
            f"{len(unreadable):,} of {count:,} images in {folder} cannot be read: {_first(list(unreadable))}; "
            "mend or remove them, or set data.unreadable to skip."
        )
    for sentence in unreadable.values():
        print(f"skipped: {sentence}", file=sys.stderr)


# subset-extract


def read(folder: Path, image_size: int | None, seed: int) -> Source:
    """All images that `download` put into `folder`, as pixels of one size.

    They come in the order of their hashes, as good as random: whoever takes the first ones gets all classes, and no
    burst of a camera. Test images that are also training images are named on stderr.

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
    tests = _draw(labels, share, seed) if share else np.array([each.name.startswith("test/") for each in pictures])
    _name_duplicates(pictures, tests)

    archive = folder / ARCHIVE
    if not archive.is_file():
        raise UserError(f"{archive} is missing; make it with `dvc repro -f download`.")
    pixels = np.empty((len(pictures), *size, 3), np.uint8)
    unpack = partial(_unpack, archive, archive.stat().st_mtime_ns, size)
    for row, image in enumerate(_in_processes(unpack, [picture.name for picture in pictures], "subset-extract")):
        pixels[row] = image
    everything = Split(pixels, labels)
    splits = {"train": everything.take(np.flatnonzero(~tests)), "test": everything.take(np.flatnonzero(tests))}
    return Source("image_folder", classes, {}, splits)


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


def _name_duplicates(pictures: Sequence[Picture], tests: NDArray[np.bool_]) -> None:
    """Say on stderr which test images are also training images."""
    known = {each.sha256: each.name for each, is_test in zip(pictures, tests, strict=True) if not is_test}
    twice = [
        f"{each.name} (as {known[each.sha256]})"
        for each, is_test in zip(pictures, tests, strict=True)
        if is_test and each.sha256 in known
    ]
    if twice:
        print(
            f"note: {len(twice):,} test image{'s' * (len(twice) > 1)} can be found among the training images, "
            f"so that the test is easier than it looks: {_first(sorted(twice))}.",
            file=sys.stderr,
        )


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


def _first(names: list[str]) -> str:
    """`'a', 'b', 'c' and 5 more`."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
