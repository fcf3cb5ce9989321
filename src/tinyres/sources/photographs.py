"""Any image file as a network sees it: RGB, upright, the size asked for."""

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tinyres.common.errors import UserError

BACKGROUND = "white"  # what shows through transparent pixels, as on a page
Pixels = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width, pixels."""


@dataclass(frozen=True)
class Photograph:
    """One image file, read."""

    pixels: Pixels
    """H×W×3, the size asked for."""
    note: str | None
    """What was left out of the file, if anything: all frames of an animation but the first."""


def read_photograph(file: Path | str, size: Size) -> Photograph:
    """The middle of an image, resized to `size`.

    The shorter side is resized to the model's with antialiasing (bicubic), and the longer one cut to the middle; an
    image of just that size keeps its pixels. The orientation that a camera noted in EXIF is applied. Transparent
    pixels are laid on white. Palettes, greys, 16 bits and CMYK become 8-bit RGB; colour profiles are ignored. Of an
    animation, or of several pages, it is the first.

    Raises:
        UserError: the file is missing, empty, damaged, no image, or larger than Pillow's limit (89 megapixels).
    """
    file = Path(file)
    with _told_of(file), _first_frame(file) as image:
        frames = getattr(image, "n_frames", 1)
        fitted = _fit(_as_rgb(ImageOps.exif_transpose(image)), size)
        return Photograph(np.array(fitted), f"the first of {frames} frames" if frames > 1 else None)


def read_verified(file: Path) -> tuple[bytes, Pixels]:
    """A file's content, and the whole image that it holds (H×W×3), read as `read_photograph` does but not resized.

    Raises:
        UserError: as for `read_photograph`.
    """
    with _told_of(file):
        content = file.read_bytes()
        return content, decode(content)


def decode(content: bytes, size: Size | None = None) -> Pixels:
    """The image that a file's content holds: all of it, or its middle resized to `size` as by `read_photograph`."""
    with _first_frame(io.BytesIO(content)) as image:
        upright = _as_rgb(ImageOps.exif_transpose(image))
        return np.array(_fit(upright, size) if size else upright)


def size_of(file: Path) -> Size:
    """The size of an image file once upright, from its header alone.

    Raises:
        UserError: as for `read_photograph`, as far as the header tells.
    """
    with _told_of(file), _first_frame(file) as image:
        lies_on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return image.size if lies_on_its_side else (image.height, image.width)


def resized(images: Pixels, size: Size) -> Pixels:
    """Images (N×H×W×3) brought to `size`, each as by `read_photograph`; of that size already, they are as they were."""
    if images.shape[1:3] == size:
        return images
    changed = np.empty((len(images), *size, 3), np.uint8)
    for row, pixels in enumerate(images):
        changed[row] = np.asarray(_fit(Image.fromarray(pixels), size))
    return changed


@cache
def suffixes() -> frozenset[str]:
    """Endings of the names of image files that can be read, in small letters, with the dot."""
    readable = set(_formats())
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in readable)


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Turn whatever reading a foreign file ends in into one sentence."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            what = "a folder; name the images in it" if file.is_dir() else "no ordinary file; copy it to one"
            raise UserError(f"{file} is {what}.")
        if file.stat().st_size == 0:
            raise UserError(f"{file} is empty (0 bytes); fetch or save it again.")
        yield
    except UserError:
        raise
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
def _first_frame(file: Path | io.BytesIO) -> Iterator[Image.Image]:
    """The opened image. Pillow warns of a decompression bomb before it refuses one; here the warning is enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which changes no pixel
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=_formats()) as image:
            yield image


@cache
def _formats() -> list[str]:
    """All that Pillow reads by itself: EPS is a program, which it would have Ghostscript run."""
    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def _fit(image: Image.Image, size: Size) -> Image.Image:
    height, width = size
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _as_8_bit(image)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image).convert("RGB")
    return image.convert("RGB")


def _as_8_bit(image: Image.Image) -> Image.Image:
    """Greys of 0 to 65535 as 0 to 255; Pillow itself would cut everything above 255 to white."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError("numbers without a known white; 8 and 16 bits per channel are read")
    return Image.fromarray(np.round(values / 257).astype(np.uint8))
