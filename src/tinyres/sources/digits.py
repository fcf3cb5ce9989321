"""scikit-learn's handwritten digits: 1,797 real 8×8 images that come with the library, so no network is needed.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998, doi:10.24432/C50P49.
"""

import importlib.util
import shutil
from pathlib import Path

import numpy as np

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.sources.source import Source

FILE = "digits.csv.gz"
CLASSES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAIN_SHARE = 0.8  # in the file's order; later rows are other people's handwriting than earlier ones


def download(target: Path) -> None:
    """Copy the library's own file into the folder `target`."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise ImportError("scikit-learn is not installed")
    with replacing(target) as draft:
        draft.mkdir()
        shutil.copyfile(Path(package.origin).parent / "datasets" / "data" / FILE, draft / FILE)


def read(folder: Path) -> Source:
    """Read the digits as uint8 N×8×8×3 (grey in all three channels): 1,437 training and 360 test images.

    Raises:
        UserError: the file is missing.
    """
    if not (folder / FILE).is_file():
        raise UserError(f"{folder / FILE} is missing; fetch it with `dvc repro -f download`.")
    table = np.loadtxt(folder / FILE, delimiter=",")
    grey = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # 0…16 in the file
    images = np.repeat(grey[..., None], 3, axis=3)
    labels = table[:, -1].astype(np.int64)
    cut = int(len(labels) * TRAIN_SHARE)
    splits = {"train": Split(images[:cut], labels[:cut]), "test": Split(images[cut:], labels[cut:])}
    return Source("digits", CLASSES, {}, splits)
