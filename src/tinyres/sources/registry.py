"""Every source of images by the name that `data.source` gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyres.params import Data
from tinyres.sources import cifar100, digits, image_folder
from tinyres.sources.source import Source


@dataclass(frozen=True)
class Kind:
    """How images of one kind are fetched, and read again."""

    download: Callable[[Path, Data], None]
    """Fetch and verify the source's own files into a folder, whole or not at all."""
    read: Callable[[Path, int | None, int], Source]
    """All images from that folder; `subset.image_size` and `seed` are for a source without a size or a test split."""


SOURCES = {
    "cifar100": Kind(lambda target, _: cifar100.download(target), lambda folder, *_: cifar100.read(folder)),
    "digits": Kind(lambda target, _: digits.download(target), lambda folder, *_: digits.read(folder)),
    "image_folder": Kind(image_folder.download, image_folder.read),
}
