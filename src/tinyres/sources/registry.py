"""Every source of images by the name that `data.source` gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyres.params import Data
from tinyres.sources import cifar100, digits, image_folder
from tinyres.sources.source import Source


@dataclass(frozen=True)
class SourceFunctions:
    """The two functions of a source: one fetches its files, the other reads them."""

    download: Callable[[Path, Data], None]
    """Fetches and verifies the source's own files into a folder, whole or not at all."""
    read: Callable[[Path, int | None, int], Source]
    """Reads all images from that folder. A source without one image size, or without a test split, uses the other two
    arguments, `subset.image_size` and `seed`."""


SOURCES = {
    "cifar100": SourceFunctions(lambda target, _: cifar100.download(target), lambda folder, *_: cifar100.read(folder)),
    "digits": SourceFunctions(lambda target, _: digits.download(target), lambda folder, *_: digits.read(folder)),
    "image_folder": SourceFunctions(image_folder.download, image_folder.read),
}
