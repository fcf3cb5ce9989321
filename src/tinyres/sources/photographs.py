"""Read any image file as a network sees it: RGB, upright, in the size asked for."""

import importlib
import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tinyres.common.errors import UserError
from tinyres.sources.rgb import UnknownWhiteError, to_rgb

NOT_READ = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}
"""Formats that Pillow recognises and cannot read by itself: EPS is a program, which it would have Ghostscript run."""
TRIED_FIRST = ("JPEG", "PNG")
"""What most pictures are: trying another format on a file of 32×32 pixels costs up to a fifth of reading it."""
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
HEIC_REMEDY = "install its reader with `pip install pillow-heif`"
TURNS = {  # what brings an image upright, by the orientation in EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
"""Orientations in EXIF of images whose rows are columns once they are upright."""
Pixels = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width, pixels."""


class HeicReaderMissingError(Exception):
    """The file is a HEIC photograph, which Pillow reads with the package pillow-heif alone."""


@dataclass(frozen=True)
class Photograph:
    """One image file, read."""

    pixels: Pixels
    """H×W×3, the size asked for."""
    note: str | None
    """What was left out of the file, if anything: all frames of an animation but the first."""


def read_photograph(file: Path | str, size: Size) -> Photograph:
    """Read the middle of an image, resized to `size`.

    The shorter side is resized to the model's with antialiasing (bicubic), and the longer one cut to the middle; an
    image of just that size keeps its pixels. The orientation that a camera noted in EXIF is applied. Transparent
    pixels are laid on white. Palettes, greys, 12 and 16 bits and CMYK become 8-bit RGB; colour profiles are ignored.
    Of an animation, or of several pages, it is the first.

    Raises:
        UserError: the file is missing, empty, damaged, no image, or larger than Pillow's limit (89 megapixels).
    """
    file = Path(file)
    with _told_of(file), _first_frame(file) as image:
        pixels = np.array(_fit(_upright(image), size))
        return Photograph(pixels, _frames_left_out(image))


def read_verified(file: Path) -> tuple[bytes, Pixels]:
    """Return a file's content and the whole image that it holds (H×W×3), read as by `read_photograph` but not resized.

    Raises:
        UserError: as for `read_photograph`.
    """
    with _told_of(file):
        content = file.read_bytes()
        return content, decode(content)


def size_of(file: Path) -> Size:
    """Return the size that reading an image gives. All of it is decoded, since only that finds damage.

    A JPEG is decoded at an eighth of its size, which meets the same damage: all of its data is read, and 12 megapixels
    take 37 ms instead of 91.

    Raises:
        UserError: as for `read_photograph`.
    """
    with _told_of(file), _first_frame(file) as image:
        whole = image.size
        reduced = image.draft(None, (1, 1)) is not None
        to_rgb(image)
        width, height = whole if reduced else image.size  # decoding a TIFF turns it
        return (width, height) if _orientation(image) in SIDEWAYS else (height, width)


def decode(content: bytes, size: Size | None = None) -> Pixels:
    """Return the image that a file's content holds: all of it or, given a size, what `read_photograph` returns."""
    with _first_frame(io.BytesIO(content)) as image:
        upright = _upright(image)
        return np.array(_fit(upright, size) if size else upright)


def resized(images: Pixels, size: Size) -> Pixels:
    """Resize images (N×H×W×3) as `read_photograph` does; images that have the size already are returned unchanged."""
    if images.shape[1:3] == size:
        return images
    changed = np.empty((len(images), *size, 3), np.uint8)
    for row, pixels in enumerate(images):
        changed[row] = np.asarray(_fit(Image.fromarray(pixels), size))
    return changed


def is_image(file: Path) -> bool:
    """Return whether a file's name ends as image files' do or, failing that, whether its content is an image's."""
    if file.suffix.lower() in suffixes():
        return True
    if not file.is_file():
        return False
    try:
        with _first_frame(file, known_by_content()):
            return True
    except (HeicReaderMissingError, Image.DecompressionBombWarning, Image.DecompressionBombError):
        return True  # one that `read_photograph` refuses by name
    except OSError as error:
        if error.errno is not None:
            raise  # the disk, not the file
        return False
    except Exception:  # each of Pillow's decoders stumbles over foreign files in its own way
        return False


@cache
def suffixes() -> frozenset[str]:
    """Return the endings of image files' names, in lower case, with the dot."""
    readable = set(_formats())
    return HEIC_SUFFIXES | {suffix for suffix, kind in Image.registered_extensions().items() if kind in readable}


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Turn any failure to read a foreign file into a `UserError` of one sentence."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder; name the images in it" if file.is_dir() else "no ordinary file; copy it to one"
            raise UserError(f"{file} is {what}.")
        if status.st_size == 0:
            raise UserError(f"{file} is empty (0 bytes); fetch or save it again.")
        yield
    except UserError:
        raise
    except HeicReaderMissingError:
        raise UserError(f"{file} is a HEIC photograph; {HEIC_REMEDY}, or save it as JPEG.") from None
    except UnknownWhiteError as error:
        raise UserError(f"{file} holds {error}; save it as PNG with 8 or 16 bits per channel.") from None
    except FileNotFoundError:
        raise UserError(f"There is no file {file}; check the name.") from None
    except UnidentifiedImageError:
        raise UserError(f"{file} is no image that can be read; save it as PNG or JPEG.") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise UserError(f"{file} has more than {limit} megapixels; save it smaller first.") from None
    except Exception as error:  # each of Pillow's decoders stumbles over damage in its own way
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise UserError(f"{file} cannot be read ({reason.splitlines()[0]}); fetch or save it again.") from None


@contextmanager
def _first_frame(file: Path | io.BytesIO, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open an image. Pillow warns of a decompression bomb before it refuses one; here a warning is enough to refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which changes no pixel
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image: Image.Image
        try:
            image = Image.open(file, formats=formats or _formats())
        except UnidentifiedImageError:
            if not _is_heic(file):
                raise
            image = _open_heic(file)
        with image:
            yield image


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that Pillow reads by itself, which are fewer than it recognises, in the order to try them."""
    Image.init()
    readable = [name for name in Image.ID if name not in NOT_READ]
    return tuple(sorted(readable, key=lambda name: (name not in TRIED_FIRST, Image.OPEN[name][1] is None)))


@cache
def known_by_content() -> tuple[str, ...]:
    """Return the formats whose files begin with a mark of their own; Pillow would try any file as one of the others."""
    return tuple(name for name in _formats() if Image.OPEN[name][1] is not None)


def _is_heic(file: Path | io.BytesIO) -> bool:
    """Return whether the file type box at the beginning names one of HEIC's brands (ISO/IEC 23008-12, annex B)."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            start = stream.read(64)
    else:
        start = file.getvalue()[:64]
    brands = start[8 : int.from_bytes(start[:4])]
    return start[4:8] == b"ftyp" and any(brands[place : place + 4] in HEIC_BRANDS for place in range(0, len(brands), 4))


def _open_heic(file: Path | io.BytesIO) -> Image.Image:
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError:
        raise HeicReaderMissingError from None
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=["HEIF"])


def _frames_left_out(image: Image.Image) -> str | None:
    """Say which frames were left out of an image, if any. Counting moves on from the first one, so read that before."""
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception:  # damage behind the first frame, which each of Pillow's decoders meets in its own way
        return "the first of several frames, others being damaged"
    return f"the first of {frames} frames" if frames > 1 else None


def _upright(image: Image.Image) -> Image.Image:
    """Return the image in RGB, upright. Of EXIF nothing but the orientation is read.

    Pillow turns TIFF by itself while it loads it, and then forgets the orientation; pillow-heif likewise.
    """
    rgb = to_rgb(image)
    turn = TURNS.get(_orientation(image))
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # EXIF that is too damaged to hold an orientation; the pixels are not
        return None


def _fit(image: Image.Image, size: Size) -> Image.Image:
    height, width = size
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
