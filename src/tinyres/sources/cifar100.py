"""CIFAR-100: the official archive, its three members and their content.

Source: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import hashlib
import os
import pickle
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinyres.common.atomic import replacing
from tinyres.common.dataset import Split
from tinyres.common.errors import UserError
from tinyres.sources.fetch import fetch
from tinyres.sources.source import Source

URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
FOLDER = "cifar-100-python"
MEMBERS_MD5 = {  # the sums that torchvision pins
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
REMEDY = (
    "point CIFAR100_ARCHIVE to a good copy of cifar-100-python.tar.gz (a path or a URL), "
    "or try tinyres without it: `make quickstart`"
)


def download(target: Path) -> None:
    """Fetch the archive, verify its three members and put them into the folder `target`.

    Raises:
        UserError: the archive cannot be fetched, is damaged or is not CIFAR-100; `target` is then as it was.
    """
    location = os.environ.get("CIFAR100_ARCHIVE") or URL
    with replacing(target) as draft:
        draft.mkdir()
        if "://" not in location:
            extract_members(Path(location), draft)
            return
        # The partial file outlives a failure here, so that the next try resumes it.
        archive = Path(tempfile.gettempdir()) / f"tinyres-{hashlib.sha256(location.encode()).hexdigest()[:12]}.tar.gz"
        try:
            fetch(location, archive)
        except OSError as error:
            if error.errno is not None and not hasattr(error, "request"):
                raise
            raise UserError(f"Cannot fetch {location} ({_reason(error)}); {REMEDY}.") from None
        try:
            extract_members(archive, draft, location)
        finally:
            archive.unlink(missing_ok=True)


def extract_members(archive: Path, target: Path, location: str | None = None) -> None:
    """Extract the three members, and nothing else, and check each against its pinned MD5.

    Members are found by their exact name and written under our own, so a path like `../x` in the archive leads nowhere;
    a link that has a member's name is not followed. Sentences call the archive by its `location`, by default its path.

    Raises:
        UserError: the archive is missing, is no tar.gz, is damaged or lacks a member.
    """
    if not archive.is_file():
        raise UserError(f"CIFAR100_ARCHIVE is {str(archive)!r}, which is not a file; {REMEDY}.")
    location = location or str(archive)
    wanted = {f"{FOLDER}/{name}": name for name in MEMBERS_MD5}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name in wanted and member.isfile() and (stream := tar.extractfile(member)):
                    _write_verified(stream, target / wanted.pop(name), location)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the archive
        raise UserError(f"{location} is not a whole tar.gz archive ({error}); {REMEDY}.") from None
    if wanted:
        raise UserError(f"{location} lacks the file {', '.join(sorted(wanted))}; {REMEDY}.")


def _write_verified(stream: IO[bytes], file: Path, location: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("wb") as output:
        while block := stream.read(1 << 20):
            digest.update(block)
            output.write(block)
    if digest.hexdigest() != (md5 := MEMBERS_MD5[file.name]):
        raise UserError(f"{file.name!r} in {location} is not CIFAR-100's own (its MD5 is not {md5}); {REMEDY}.")


def read(folder: Path) -> Source:
    """Read all of CIFAR-100 from the verified members: 100 classes, 50,000 training and 10,000 test images."""
    meta = _unpickle(folder / "meta")
    superclasses: dict[str, str] = {}
    splits = {}
    for name in ("train", "test"):
        content = _unpickle(folder / name)
        images = content["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[name] = Split(np.ascontiguousarray(images), np.asarray(content["fine_labels"], np.int64))
        for fine, coarse in zip(content["fine_labels"], content["coarse_labels"], strict=True):
            superclasses[meta["fine_label_names"][fine]] = meta["coarse_label_names"][coarse]
    return Source("cifar100", meta["fine_label_names"], superclasses, splits)


def _unpickle(file: Path) -> dict[str, Any]:
    """Load one member. A pickle can run code, so its MD5 is compared with the pinned one first."""
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != MEMBERS_MD5[file.name]:
        raise UserError(f"{file} is not CIFAR-100's own file; fetch it again with `dvc repro -f download`.")
    loaded: dict[str, Any] = pickle.loads(content, encoding="latin1")
    return loaded


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return type(error).__name__
