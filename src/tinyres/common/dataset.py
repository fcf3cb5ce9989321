"""The one data format of the pipeline: per split `images.npy` and `labels.npy`, and one `dataset.json`.

    <folder>/dataset.json         class names, superclasses, split sizes, mean and std, hashes, source
    <folder>/<split>/images.npy   uint8, N×H×W×3
    <folder>/<split>/labels.npy   int64, N, values 0…K−1

Splits are `train`, `test` and, where some were set aside, `validation` and `unlabelled`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyres.common.atomic import replacing
from tinyres.common.errors import UserError
from tinyres.common.hashes import hash_files

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Images (uint8, N×H×W×3) and their labels (int64, N)."""

    images: Images
    labels: Labels

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}, not uint8 N×H×W×3")
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels are {self.labels.dtype} {self.labels.shape} for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.intp]) -> "Split":
        """The chosen rows, in the order given."""
        return Split(self.images[rows], self.labels[rows])

    def followed_by(self, other: "Split") -> "Split":
        """Both splits, one after the other."""
        if not len(other):
            return self
        return Split(np.concatenate([self.images, other.images]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True)
class Description:
    """What `dataset.json` says."""

    source: str
    classes: list[str]
    """Class names by label."""
    superclasses: list[str] | None
    """Superclass names by label."""
    image_size: tuple[int, int]
    """Height and width, pixels."""
    sizes: dict[str, int]
    """Images per split."""
    validation_from: str | None
    """The split that the validation images were taken from: `train`, `test`, or None where there are none."""
    mean: list[float]
    """Mean of the training images per channel, in [0, 1]."""
    std: list[float]
    """Standard deviation of the training images per channel, in [0, 1]."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Hash of each split's two files."""


def write_dataset(folder: Path | str, description: Description, splits: dict[str, Split]) -> None:
    """Write all splits and `dataset.json`, whole or not at all; the hashes are added here."""
    with replacing(folder) as draft:
        hashes = {name: write_split(draft / name, split) for name, split in splits.items()}
        content = asdict(description) | {"sha256": hashes}
        (draft / "dataset.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_split(folder: Path, split: Split) -> str:
    """Write one split's two files; returns their hash."""
    folder.mkdir(parents=True)
    save_array(folder / "images.npy", split.images)
    save_array(folder / "labels.npy", split.labels)
    return hash_files([folder / "images.npy", folder / "labels.npy"])


def save_array(file: Path, array: NDArray[Any]) -> None:
    """`np.save`, through a stream: given a path, NumPy's error on a full disk has no `errno` and does not say so."""
    with file.open("wb") as stream:
        np.save(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def read_description(folder: Path | str) -> Description:
    """The content of `dataset.json`.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = Path(folder) / "dataset.json"
    if not file.is_file():
        raise UserError(f"{file} is missing; make it with `dvc repro subset-extract`.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Description(**content | {"image_size": tuple(content["image_size"])})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}); make it again with `dvc repro -f subset-extract`.") from None


def read_split(folder: Path | str) -> Split:
    """One split, memory-mapped: pages are read on first use, and changes in memory leave the file alone.

    Raises:
        UserError: a file is missing or cut short.
    """
    folder = Path(folder)
    try:
        images = np.load(folder / "images.npy", mmap_mode="c", allow_pickle=False)
        return Split(images, np.load(folder / "labels.npy", allow_pickle=False))
    except (FileNotFoundError, ValueError, EOFError) as error:
        raise UserError(f"{folder} does not hold whole arrays ({error}); make it again with `dvc repro`.") from None


def channel_statistics(images: Images) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel in [0, 1], exact: from the counts of the 256 values."""
    levels = np.arange(256) / 255
    means, stds = [], []
    for channel in range(3):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        mean = float(counts @ levels / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum())))
    return means, stds
