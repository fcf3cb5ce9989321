"""One's own pictures: 60,000 JPEG files of 32×32 in ten classes, written for this and removed afterwards, through both
stages that read them: `download` (every file read, decoded and archived) and `subset-extract` (decoded into arrays)."""

import tempfile
import time
from pathlib import Path

import numpy as np
from joblib import cpu_count
from PIL import Image

from benchmarks.measure import Figure, median
from benchmarks.setting import Setting
from tinyres.params import Data
from tinyres.sources import image_folder

TITLE = "Image folder"
REPETITIONS = 3
TRAIN, TEST, CLASSES = 50_000, 10_000, 10


def measure(setting: Setting) -> list[Figure]:
    """Seconds for all files, start of the processes included."""
    with tempfile.TemporaryDirectory() as place:
        pictures, raw = Path(place) / "pictures", Path(place) / "raw"
        write_files(pictures, setting.images.images)
        data = Data(source="image_folder", folder=str(pictures), test=0.2, unreadable="refuse")
        download, read = [], []
        for _ in range(REPETITIONS):
            started = time.perf_counter()
            image_folder.download(raw, data)
            fetched = time.perf_counter()
            image_folder.read(raw, None, seed=0)
            download.append(fetched - started)
            read.append(time.perf_counter() - fetched)
    both = [sum(pair) for pair in zip(download, read, strict=True)]
    detail = f"{median(download):.1f} s of download and {median(read):.1f} s of subset-extract, {cpu_count()} cores"
    spread = f"{REPETITIONS} times from {min(both):.1f} to {max(both):.1f}"
    return [Figure(f"{TRAIN + TEST:,} files, read twice", median(both), " s", "< 60", f"{detail}; {spread}")]


def write_files(folder: Path, upright: np.ndarray) -> None:
    """The images as JPEG files, in classes by turns; for `test/` the first ones upside down."""
    for split, count, images in (("train", TRAIN, upright), ("test", TEST, upright[:, ::-1])):
        for label in range(CLASSES):
            (folder / split / f"class_{label}").mkdir(parents=True)
        for number, image in enumerate(images[:count]):
            name = f"class_{number % CLASSES}/{number:05d}.jpg"
            Image.fromarray(image).save(folder / split / name, quality=90)
