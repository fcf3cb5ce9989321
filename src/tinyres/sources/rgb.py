"""Convert the numbers in an image file to 8-bit RGB: their depth, which of them is white, which are transparent."""

from typing import Any

import numpy as np
from PIL import Image

BACKGROUND = "white"  # what shows through transparent pixels, as on a page
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF 6.0, sections 8 and 19
WHITE_IS_ZERO, SIGNED = 0, 2  # a value of PHOTOMETRIC, a value of SAMPLE_FORMAT
DEEP_GREYS = {"PNG", "TIFF", "PPM", "JPEG2000", "ICNS", "ICO", "IM"}
"""Formats whose deep greys Pillow hands over from 0 (black) to 65535 (white); those of 12-bit TIFF end at 4095."""


class UnknownWhiteError(ValueError):
    """The file does not say which of its numbers is white, or Pillow does not hand over what it says."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB, with transparent pixels laid on white.

    Args:
        image: The opened image, not loaded yet: loading drops how many bits each number has in the file.

    Raises:
        UnknownWhiteError: the numbers are fractions, signed, or whole numbers of 32 bits; or a colour of 16 bits is
            transparent, of which Pillow keeps 8.
    """
    tiles: Any = getattr(image, "tile", None)
    layout = str(tiles[0][3]) if tiles else ""  # Pillow's "raw mode", such as L;2 for two bits per pixel
    image.load()
    transparent = image.info.get("transparency")
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image, transparent).convert("RGB")
    if image.format == "TIFF" and SIGNED in _tag(image, SAMPLE_FORMAT):
        raise UnknownWhiteError("signed numbers, of which none is known to be white")
    if transparent is not None and layout.startswith("RGB;16"):
        raise UnknownWhiteError("a transparent colour of 16 bits per channel")
    if transparent is not None and layout in ("L;2", "L;4"):  # PNG states it in the file's own few bits
        image.info["transparency"] = transparent * 255 // (2 ** int(layout[2:]) - 1)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or transparent is not None:
        image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_grey(image: Image.Image, transparent: int | None) -> Image.Image:
    """Scale greys of 12 or 16 bits to 0…255; Pillow itself would clip everything above 255 to white."""
    white = _white(image)
    values = np.asarray(image)
    grey = np.round(values / (white / 255)).astype(np.uint8)
    if image.format == "TIFF" and _tag(image, PHOTOMETRIC) == (WHITE_IS_ZERO,):  # which Pillow minds up to 8 bits only
        grey = 255 - grey
    if transparent is not None:
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _white(image: Image.Image) -> int:
    if image.mode == "F":
        raise UnknownWhiteError("fractions, of which none is known to be white")
    if image.format not in DEEP_GREYS or (image.mode == "I" and image.format != "PPM"):
        raise UnknownWhiteError("signed numbers or ones of 32 bits, of which none is known to be white")
    bits = _tag(image, BITS_PER_SAMPLE)[0] if image.format == "TIFF" else 16
    return int(2**bits - 1)


def _tag(image: Image.Image, tag: int) -> tuple[int, ...]:
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)
