"""Any image file becomes what a network sees, and what is none of them ends in one sentence."""

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps
from sklearn.datasets import load_sample_image

from tinyres.common.errors import UserError
from tinyres.sources.photographs import decode, is_image, read_photograph, read_verified, size_of
from tinyres.sources.rgb import UnknownWhiteError

SIZE = (32, 32)
FLOWER = Image.fromarray(load_sample_image("flower.jpg"))  # 640×427
SMALL = FLOWER.crop((250, 100, 282, 132))  # 32×32
ORIENTATIONS = {  # how a camera stores an upright picture under each EXIF orientation
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def read(image: Image.Image, file: Path, size: tuple[int, int] = SIZE, **options: object) -> np.ndarray:
    image.save(file, **options)
    pixels = read_photograph(file, size).pixels
    assert (pixels.dtype, pixels.shape) == (np.uint8, (*size, 3))
    assert size_of(file) == read_verified(file)[1].shape[:2]
    return pixels


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.tga"])
def test_an_image_of_the_models_size_keeps_its_pixels(tmp_path, name):
    assert np.array_equal(read(SMALL, tmp_path / name), SMALL)


@pytest.mark.parametrize(("width", "height", "left", "top"), [(96, 32, 32, 0), (32, 96, 0, 32), (40, 32, 4, 0)])
def test_the_longer_side_is_cut_to_the_middle(tmp_path, width, height, left, top):
    wide = Image.new("RGB", (width, height))
    wide.paste(SMALL, (left, top))
    assert np.array_equal(read(wide, tmp_path / "a.png"), SMALL)


def test_the_shorter_side_is_resized_to_the_models(tmp_path):
    tall = FLOWER.crop((0, 0, 192, 384))
    expected = np.asarray(tall.resize((32, 64), Image.Resampling.BICUBIC))[16:48]
    difference = np.abs(read(tall, tmp_path / "a.png").astype(int) - expected)
    assert difference.mean() < 0.3, "rounding; shifted by one pixel of the file it would be above 0.7"


def test_a_model_need_not_be_square(tmp_path):
    assert read(FLOWER, tmp_path / "a.png", size=(8, 24)).shape == (8, 24, 3)


def test_resizing_is_antialiased(tmp_path):
    squares = Image.fromarray((np.indices((320, 320)).sum(axis=0) % 2 * 255).astype(np.uint8))
    assert np.abs(read(squares, tmp_path / "a.png").astype(int) - 127.5).max() < 3, "a fine checkerboard is grey"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_every_size_and_shape_can_be_read(tmp_path, width, height):
    assert (read(Image.new("RGB", (width, height), "teal"), tmp_path / "a.png") == (0, 128, 128)).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp", "a.avif"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_is_applied_once_in_every_format(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = FLOWER.crop((250, 100, 298, 132))
    turn = ORIENTATIONS[orientation]
    (upright if turn is None else upright.transpose(turn)).save(tmp_path / name, exif=exif, quality=100)
    _, seen = read_verified(tmp_path / name)
    assert seen.shape == (32, 48, 3)
    assert size_of(tmp_path / name) == (32, 48)
    assert np.abs(seen.astype(int) - np.asarray(upright)).mean() < (0.1 if name.endswith(("png", "tif")) else 4)


def with_odd_exif(image: Image.Image, file: Path) -> None:
    """Turned, and with a GPS entry that is text where fractions belong: Pillow reads it but cannot write it again."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x8825, 4, 1, 38)
    gps = struct.pack("<H", 1) + struct.pack("<HHI4s", 2, 2, 2, b"x\0\0\0") + bytes(4)
    image.save(file, exif=b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4) + gps)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_of_exif_nothing_but_the_orientation_matters(tmp_path, name):
    with_odd_exif(SMALL.transpose(ORIENTATIONS[6]), tmp_path / name)
    seen = read_photograph(tmp_path / name, SIZE).pixels.astype(int)
    assert np.abs(seen - np.asarray(SMALL)).mean() < 6


@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\xff", b"II", b"no TIFF"])
def test_exif_that_is_no_exif_turns_nothing(tmp_path, exif):
    assert np.array_equal(read(SMALL, tmp_path / "a.png", exif=b"Exif\0\0" + exif), SMALL)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "a.png"), ("1", "a.png"), ("P", "a.png"), ("P", "a.gif"), ("CMYK", "a.tif"), ("RGBX", "a.tif")],
)
def test_other_modes_become_rgb(tmp_path, mode, name):
    converted = SMALL.convert(mode)
    assert np.array_equal(read(converted, tmp_path / name), converted.convert("RGB"))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "L"])
def test_jpeg_in_its_colour_spaces(tmp_path, mode):
    seen = read(SMALL.convert(mode), tmp_path / "a.jpg", quality=95, subsampling=0)
    expected = np.asarray(SMALL.convert("L").convert("RGB") if mode == "L" else SMALL)
    assert np.abs(seen.astype(int) - expected).mean() < 5


EXACT = {  # what Pillow 13 writes and loses nothing of
    "BLP": "P",
    "BMP": "1 L P RGB RGBA",
    "DDS": "L LA RGB RGBA",
    "DIB": "1 L P RGB RGBA",
    "GIF": "1 L P",
    "ICO": "1 L LA P RGB RGBA I;16 I;16B",
    "IM": "1 L LA P PA RGB RGBA RGBX CMYK YCbCr I;16 I;16B",
    "JPEG2000": "L LA RGB RGBA CMYK I;16 I;16B",
    "MSP": "1",
    "PCX": "1 L P RGB",
    "PNG": "1 L LA P RGB RGBA I;16 I;16B",
    "PPM": "1 L RGB RGBA I I;16",
    "QOI": "RGB RGBA",
    "SGI": "L RGB RGBA",
    "TGA": "1 L LA P RGB RGBA",
    "TIFF": "1 L LA P PA RGB RGBA RGBX CMYK YCbCr LAB I;16 I;16B",
    "XBM": "1",
}
NEAR = {  # what a codec changes a little
    "AVIF": "1 L LA P PA RGB RGBA RGBX CMYK YCbCr",
    "GIF": "LA RGB RGBA",
    "ICNS": "L LA P RGB RGBA I;16",  # from 1024×1024 down
    "JPEG": "1 L RGB RGBX CMYK YCbCr",
    "JPEG2000": "YCbCr",
    "MPO": "1 L RGB RGBX CMYK YCbCr",
    "WEBP": "1 L LA P PA RGB RGBA RGBX CMYK YCbCr",
}
NO_WHITE = {"TIFF": "I F", "IM": "I F", "PPM": "F", "SPIDER": "1 L P RGB I F"}


def cases(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(kind, mode) for kind, modes in table.items() for mode in modes.split()]


def in_mode(mode: str) -> Image.Image:
    """The flower in a mode; its greys, where they are deep, from 0 to 65535."""
    if mode == "LAB":
        return ImageCms.profileToProfile(
            SMALL, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    if mode == "F":
        return Image.fromarray(np.asarray(SMALL.convert("L"), np.float32) / 255)
    if not mode.startswith("I"):
        return SMALL.convert("L").convert("PA") if mode == "PA" else SMALL.convert(mode)
    kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    grey = np.asarray(SMALL.convert("L")).astype(np.int64) * 257
    return Image.frombytes(mode, SMALL.size, grey.astype(kind).tobytes())


def seen_in(mode: str) -> np.ndarray:
    """What the flower in a mode looks like in RGB."""
    image = SMALL.convert("L") if mode.startswith("I") else in_mode(mode)
    return np.asarray(image.convert("RGB")).astype(int)


def stored(kind: str, mode: str, file: Path) -> Path:
    image = in_mode(mode)
    image.save(file, kind, **({"sizes": [SMALL.size], "bitmap_format": "png"} if kind == "ICO" else {}))
    return file


@pytest.mark.parametrize(("kind", "mode"), cases(EXACT))
def test_every_mode_and_depth_that_pillow_writes_is_read_exactly(tmp_path, kind, mode):
    assert np.array_equal(read_photograph(stored(kind, mode, tmp_path / "a.image"), SIZE).pixels, seen_in(mode))


@pytest.mark.parametrize(("kind", "mode"), cases(NEAR))
def test_lossy_formats_are_read_nearly(tmp_path, kind, mode):
    seen = read_photograph(stored(kind, mode, tmp_path / "a.image"), SIZE).pixels.astype(int)
    assert np.abs(seen - seen_in(mode)).mean() < 14


@pytest.mark.parametrize(("kind", "mode"), cases(NO_WHITE))
def test_numbers_of_which_none_is_white_are_refused(tmp_path, kind, mode):
    file = stored(kind, mode, tmp_path / "a.image")
    with pytest.raises(UserError, match=r" holds (fractions|signed numbers or ones of 32 bits), of which none "):
        read_photograph(file, SIZE)


def test_every_format_and_mode_that_pillow_writes_is_in_one_of_the_tables():
    Image.init()
    known = set(cases(EXACT)) | set(cases(NEAR)) | set(cases(NO_WHITE))
    converting = {"AVIF", "GIF", "ICNS", "WEBP", "SPIDER"}  # bring other modes to one of theirs before they write
    not_read = {"EPS", "PALM", "PDF"}
    unknown = [
        (kind, mode)
        for kind in sorted(Image.SAVE.keys() - not_read - converting)
        for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")
        if (kind, mode) not in known and can_write(kind, mode)
    ]
    assert unknown == []


def can_write(kind: str, mode: str) -> bool:
    try:
        in_mode(mode).save(io.BytesIO(), kind)
    except (OSError, ValueError, KeyError):
        return False
    return True


def tiff(values: bytes, order: str, **tags: int) -> bytes:
    """A TIFF of 4×1 greys, written by hand, for what Pillow does not write."""
    names = {"bits": 258, "photometric": 262, "format": 339, "orientation": 274}
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    entries = {256: 4, 257: 1, 259: 1, 273: 200, 277: 1, 278: 1, 279: len(values)}
    entries |= {names[name]: value for name, value in tags.items()}
    directory = struct.pack(order + "H", len(entries))
    for tag, value in sorted(entries.items()):
        directory += struct.pack(order + "HHI", tag, 4, 1) + struct.pack(order + "I", value)
    return (header + directory + bytes(4)).ljust(200, b"\0") + values


def packed_12_bits(values: list[int]) -> bytes:
    number = 0
    for value in values:
        number = number << 12 | value
    return number.to_bytes(len(values) * 3 // 2)


def greys_of(content: bytes) -> list[int]:
    pixels = decode(content)
    assert (pixels == pixels[..., :1]).all()
    return pixels[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (tiff(struct.pack("<4H", 0, 257, 25700, 65535), "<", bits=16, photometric=1), [0, 1, 100, 255]),
        (tiff(struct.pack(">4H", 0, 257, 25700, 65535), ">", bits=16, photometric=1), [0, 1, 100, 255]),
        (tiff(struct.pack("<4H", 0, 257, 25700, 65535), "<", bits=16, photometric=0), [255, 254, 155, 0]),
        (tiff(bytes([0, 1, 100, 255]), "<", bits=8, photometric=0), [255, 254, 155, 0]),
        (tiff(packed_12_bits([0, 16, 1606, 4095]), "<", bits=12, photometric=1), [0, 1, 100, 255]),
        (tiff(bytes([0x01, 0x8F]), "<", bits=4, photometric=1), [0, 17, 136, 255]),
        (tiff(bytes([0x01, 0x8F]), "<", bits=4, photometric=0), [255, 238, 119, 0]),
        (tiff(bytes([0b00011011]), "<", bits=2, photometric=1), [0, 85, 170, 255]),
    ],
    ids=["16", "16 MM", "16 white is 0", "8 white is 0", "12", "4", "4 white is 0", "2"],
)
def test_tiff_of_every_depth_says_which_number_is_white(content, seen):
    assert greys_of(content) == seen


@pytest.mark.parametrize(
    "content",
    [
        tiff(struct.pack("<4b", 0, 1, 100, 127), "<", bits=8, photometric=1, format=2),
        tiff(struct.pack("<4h", 0, 1, 100, 32767), "<", bits=16, photometric=1, format=2),
        tiff(struct.pack("<4I", 0, 1, 100, 255), "<", bits=32, photometric=1),
        tiff(struct.pack("<4i", 0, 1, 100, 255), "<", bits=32, photometric=1, format=2),
        tiff(struct.pack("<4f", 0, 0.1, 0.5, 1), "<", bits=32, photometric=1, format=3),
        tiff(struct.pack("<4f", 0, 0.1, 0.5, 1), "<", bits=32, photometric=0, format=3),
    ],
    ids=["signed 8", "signed 16", "32", "signed 32", "fractions", "fractions, white is 0"],
)
def test_tiff_without_a_known_white_is_refused(content):
    with pytest.raises(UnknownWhiteError, match="none is known to be white"):
        decode(content)


def fits(bits: int, values: bytes) -> bytes:
    """A FITS file of 4×1 numbers, as telescopes give them; its parts fill blocks of 2,880 bytes."""
    entries = {"SIMPLE": "T", "BITPIX": bits, "NAXIS": 2, "NAXIS1": 4, "NAXIS2": 1}
    header = "".join(f"{name:<8}= {value:>20}".ljust(80) for name, value in entries.items()) + "END"
    return header.ljust(2880).encode() + values.ljust(2880, b"\0")


def test_a_fits_file_of_8_bits_is_read():
    assert greys_of(fits(8, bytes([0, 1, 100, 255]))) == [0, 1, 100, 255]


@pytest.mark.parametrize(
    "content",
    [
        fits(16, struct.pack(">4h", 0, 1, 100, 32767)),
        fits(32, struct.pack(">4i", 0, 1, 100, 255)),
        fits(-32, struct.pack(">4f", 0, 0.1, 0.5, 1)),
    ],
    ids=["16", "32", "fractions"],
)
def test_a_fits_file_without_a_known_white_is_refused(content):
    with pytest.raises(UnknownWhiteError, match="none is known to be white"):
        decode(content)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, depth: int, colour: int, row: bytes, transparent: bytes = b"") -> bytes:
    """A PNG of one row, written by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks if each[1] or each[0] == b"IEND")


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "seen"),
    [
        (1, bytes([0b01010101]), 0, [255, 255]),
        (2, bytes([0b00011011]), 1, [0, 255, 170, 255]),
        (4, bytes([0x01, 0x8F]), 8, [0, 17, 255, 255]),
        (8, bytes([0, 1, 100, 255]), 100, [0, 1, 255, 255]),
        (16, struct.pack(">4H", 0, 257, 25700, 25701), 25700, [0, 1, 255, 100]),
        (16, struct.pack(">4H", 0, 257, 25700, 65535), 0, [255, 1, 100, 255]),
    ],
)
def test_the_transparent_grey_of_a_png_lies_on_white_at_every_depth(depth, row, transparent, seen):
    content = png(len(seen), depth, 0, row, struct.pack(">H", transparent))
    assert greys_of(content) == seen


def test_a_transparent_colour_of_8_bits_lies_on_white():
    assert decode(png(2, 8, 2, bytes([9, 8, 7, 9, 8, 6]), struct.pack(">3H", 9, 8, 7))).tolist() == [
        [[255, 255, 255], [9, 8, 6]]
    ]


def test_a_transparent_colour_of_which_pillow_keeps_half_the_bits_is_refused():
    with pytest.raises(UnknownWhiteError, match="a transparent colour of 16 bits per channel"):
        decode(png(1, 16, 2, struct.pack(">3H", 256, 512, 768), struct.pack(">3H", 257, 512, 768)))


def test_16_bits_of_colour_and_of_transparency_become_8():
    assert decode(png(1, 16, 2, struct.pack(">3H", 257, 25700, 65535))).tolist() == [[[1, 100, 255]]]
    assert decode(png(1, 16, 4, struct.pack(">2H", 0, 0))).tolist() == [[[255, 255, 255]]]
    assert decode(png(1, 16, 6, struct.pack(">4H", 0, 25700, 65535, 65535))).tolist() == [[[0, 100, 255]]]


@pytest.mark.parametrize(("alpha", "seen"), [(0, 255), (51, 204), (255, 0)])
@pytest.mark.parametrize(("mode", "name"), [("RGBA", "a.png"), ("LA", "a.png"), ("RGBA", "a.tif"), ("RGBA", "a.webp")])
def test_transparent_pixels_lie_on_white(tmp_path, mode, name, alpha, seen):
    black = Image.new(mode, SMALL.size, (*[0] * (len(mode) - 1), alpha))
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    assert (read(black, tmp_path / name, **options) == seen).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_tiff_whose_colours_are_multiplied_by_their_opacity_lies_on_white(tmp_path, mode):
    """TIFF 6.0, section 18: tag 338 says so with 1, and with 2, as Pillow writes it, that they are not."""
    not_multiplied, multiplied = (struct.pack("<HHIH", 338, 3, 1, value) for value in (2, 1))
    Image.new(mode, SMALL.size, (*[51] * (len(mode) - 1), 102)).save(tmp_path / "a.tif")  # opaque to 102/255 = 40 %
    content = (tmp_path / "a.tif").read_bytes()
    assert content.count(not_multiplied) == 1
    assert (decode(content) == round(0.4 * 51 + 0.6 * 255)).all()
    assert (decode(content.replace(not_multiplied, multiplied)) == round(51 + 0.6 * 255)).all()


@pytest.mark.parametrize(("mode", "name"), [("P", "a.gif"), ("P", "a.png"), ("L", "a.png")])
def test_a_transparent_colour_lies_on_white(tmp_path, mode, name):
    image = Image.new(mode, SMALL.size, 0)
    image.putpixel((0, 0), 1)
    if mode == "P":
        image.putpalette([200, 0, 0, 0, 0, 200])
    seen = read(image, tmp_path / name, transparency=0)
    assert (seen[1:] == 255).all()
    assert not (seen[0, 0] == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif"])
def test_of_an_animation_the_first_frame_is_taken_and_said_so(tmp_path, name):
    frames = [Image.new("RGB", SMALL.size, colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    photograph = read_photograph(tmp_path / name, SIZE)
    assert (photograph.pixels == (255, 0, 0)).all()
    assert photograph.note == "the first of 3 frames"


@pytest.mark.parametrize("name", ["a.gif", "a.tif"])
def test_of_an_animation_that_is_cut_short_the_first_frame_is_all_that_counts(tmp_path, name):
    frames = [Image.new("RGB", SMALL.size, colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    content, notes = (tmp_path / name).read_bytes(), set()
    for length in range(len(content)):
        (tmp_path / name).write_bytes(content[:length])
        if sentence_on_size(tmp_path / name) == "":
            photograph = read_photograph(tmp_path / name, SIZE)
            assert (photograph.pixels == (255, 0, 0)).all()
            notes.add(photograph.note)
        else:
            with pytest.raises(UserError):
                read_photograph(tmp_path / name, SIZE)
    assert "the first of several frames, others being damaged" in notes


def test_a_still_image_has_no_note(tmp_path):
    SMALL.save(tmp_path / "a.gif")
    assert read_photograph(tmp_path / "a.gif", SIZE).note is None


def test_twenty_megapixels(tmp_path):
    large = FLOWER.resize((5000, 4000), Image.Resampling.NEAREST)
    seen = read(large, tmp_path / "a.jpg", quality=95)
    expected = ImageOps.fit(FLOWER.resize((500, 400)), SIZE, Image.Resampling.BICUBIC)
    assert np.abs(seen.astype(int) - np.asarray(expected)).mean() < 5


def cut_short(file: Path) -> None:
    FLOWER.save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damaged(file: Path) -> None:
    SMALL.save(file)
    content = bytearray(file.read_bytes())
    content[60:200] = bytes(140)
    file.write_bytes(content)


def sentence_on_size(file: Path) -> str:
    try:
        size_of(file)
    except UserError as refused:
        return str(refused)
    return ""


def bomb(file: Path, side: int = 20_000) -> None:
    """A PNG of a few bytes that says how many pixels wide and high it is."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.png": (lambda file: None, "There is no file {}; check the name."),
    f"{'long' * 70}.png": (lambda file: None, "{} cannot be read (File name too long); fetch or save it again."),
    "folder.png": (Path.mkdir, "{} is a folder; name the images in it."),
    "empty.png": (Path.touch, "{} is empty (0 bytes); fetch or save it again."),
    "text.jpg": (lambda file: file.write_text("no image"), "{} is no image that can be read; save it as PNG or JPEG."),
    "program.eps": (FLOWER.save, "{} is no image that can be read; save it as PNG or JPEG."),  # Ghostscript's to run
    "short.jpg": (cut_short, "{} cannot be read (image file is truncated "),
    "short.png": (cut_short, "{} cannot be read (image file is truncated"),
    "damaged.png": (damaged, "{} cannot be read ("),
    "bomb.png": (bomb, "{} has more than 89 megapixels; save it smaller first."),
    "of which Pillow only warns.png": (
        lambda file: bomb(file, 10_000),
        "{} has more than 89 megapixels; save it smaller first.",
    ),
    "sound.h5": (
        lambda file: file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64)),
        "{} is no image that can be read; save it as PNG or JPEG.",
    ),
    "pipe.png": (os.mkfifo, "{} is no ordinary file; copy it to one."),
    "float.tif": (
        SMALL.convert("F").save,
        "{} holds fractions, of which none is known to be white; save it as PNG ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name):
    make, sentence = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UserError) as refused:
        read_photograph(tmp_path / name, SIZE)
    assert str(refused.value).startswith(sentence.format(tmp_path / name))
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert sentence_on_size(tmp_path / name) == str(refused.value)


def test_of_a_reason_in_several_lines_the_first_is_told(tmp_path, monkeypatch):
    """None of Pillow 13's own decoders gives such a reason; those that other packages add may."""

    class Talkative(ImageFile.PyDecoder):
        def decode(self, buffer: object) -> tuple[int, int]:
            raise ValueError("row 7 is broken\nand two lines say why")

    SMALL.save(tmp_path / "a.bmp")
    monkeypatch.setitem(Image.DECODERS, "raw", Talkative)  # the one that BMP uses
    sentence = f"{tmp_path / 'a.bmp'} cannot be read (row 7 is broken); fetch or save it again."
    assert sentence_on_size(tmp_path / "a.bmp") == sentence


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_is_cut_short_anywhere_has_no_size(tmp_path, mode, progressive):
    SMALL.convert(mode).save(tmp_path / "whole.jpg", progressive=progressive)
    content = (tmp_path / "whole.jpg").read_bytes()
    for length in range(1, len(content) - 2, 7):
        (tmp_path / "cut.jpg").write_bytes(content[:length])
        with pytest.raises(UserError):
            size_of(tmp_path / "cut.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "JPEG2000", "ICO"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_an_image_or_one_sentence(tmp_path, kind, data):
    file = tmp_path / "a.image"
    SMALL.save(file, kind)
    content = bytearray(file.read_bytes())
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8)
    ):
        content[place] = byte
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        shape, sentence = read_photograph(file, SIZE).pixels.shape, ""
    except UserError as refused:
        shape, sentence = (*SIZE, 3), str(refused)
    assert shape == (*SIZE, 3)
    assert "\n" not in sentence
    assert sentence_on_size(file) == sentence, "new-study and download find the same damage"


# Which files are images.


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "ICO", "PPM", "QOI"])
@pytest.mark.parametrize("name", ["no ending", "odd.bin", "photo.jpg.1"])
def test_an_image_is_known_by_its_content_whatever_its_name(tmp_path, kind, name):
    SMALL.save(tmp_path / name, kind)
    assert is_image(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"", b"P", b"P5 is no picture", b"Pythons, 12 of them", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe EPSF", bytes(99)],
)
def test_what_is_no_image_is_known_by_its_content(tmp_path, content):
    (tmp_path / "notes").write_bytes(content)
    assert not is_image(tmp_path / "notes")


def test_a_format_without_a_mark_is_known_by_the_ending_alone(tmp_path):
    for name, known in {"a.tga": True, "notes": False}.items():
        SMALL.save(tmp_path / name, "TGA")
        assert is_image(tmp_path / name) is known


@pytest.mark.parametrize("name", ["a.JPG", "a.heic"])
def test_a_file_that_is_called_an_image_is_one_that_may_be_damaged(tmp_path, name):
    (tmp_path / name).write_text("no image")
    assert is_image(tmp_path / name)


def test_a_folder_is_no_image_and_neither_is_a_program_whatever_its_ending(tmp_path):
    assert not is_image(tmp_path)
    FLOWER.save(tmp_path / "program.eps")
    assert not is_image(tmp_path / "program.eps")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file at hand that cannot be read")
def test_a_disk_that_cannot_be_read_is_not_taken_for_no_image():
    with pytest.raises(OSError, match="Input/output error"):
        is_image(Path("/proc/self/mem"))  # nothing lies at its beginning


HEIC_START = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"mif1", 0, b"mif1", b"heic")
"""The first box of a photograph as phones write it."""


def test_without_its_reader_a_heic_photograph_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    for name in ("a.heic", "a.jpg", "no ending"):
        (tmp_path / name).write_bytes(HEIC_START + bytes(99))
        assert is_image(tmp_path / name)
        with pytest.raises(UserError) as refused:
            read_photograph(tmp_path / name, SIZE)
        assert str(refused.value) == (
            f"{tmp_path / name} is a HEIC photograph; install its reader with `pip install pillow-heif`, "
            "or save it as JPEG."
        )


def test_with_its_reader_a_heic_photograph_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif, an extra, is not installed")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = FLOWER.crop((0, 0, 96, 64)).transpose(ORIENTATIONS[6])
    pillow_heif.from_pillow(turned).save(tmp_path / "no ending", quality=100, exif=exif.tobytes())
    assert is_image(tmp_path / "no ending")
    _, seen = read_verified(tmp_path / "no ending")
    assert seen.shape == (64, 96, 3)
    assert np.abs(seen.astype(int) - np.asarray(FLOWER.crop((0, 0, 96, 64)))).mean() < 6
