"""Any image file becomes what a network sees, and what is none of them ends in one sentence."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from tinyres.common.errors import UserError
from tinyres.sources.photographs import read_photograph

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


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = ORIENTATIONS[orientation]
    stored = SMALL if turn is None else SMALL.transpose(turn)
    assert np.array_equal(read(stored, tmp_path / "a.png", exif=exif), SMALL)


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


@pytest.mark.parametrize(("mode", "name"), [("I;16", "a.png"), ("I;16", "a.tif"), ("I;16B", "a.tif"), ("I", "a.tif")])
def test_16_bits_become_8(tmp_path, mode, name):
    grey = np.asarray(SMALL.convert("L"))
    kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    raw = (grey.astype(np.int64) * 257).astype(kind)
    image = Image.frombytes(mode, SMALL.size, raw.tobytes())
    assert np.array_equal(read(image, tmp_path / name), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize(("alpha", "seen"), [(0, 255), (51, 204), (255, 0)])
@pytest.mark.parametrize(("mode", "name"), [("RGBA", "a.png"), ("LA", "a.png"), ("RGBA", "a.tif"), ("RGBA", "a.webp")])
def test_transparent_pixels_lie_on_white(tmp_path, mode, name, alpha, seen):
    black = Image.new(mode, SMALL.size, (*[0] * (len(mode) - 1), alpha))
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    assert (read(black, tmp_path / name, **options) == seen).all()


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


def bomb(file: Path) -> None:
    """A PNG of a few bytes that says it is 20,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.png": (lambda file: None, "There is no file {}; check the name."),
    "folder.png": (Path.mkdir, "{} is a folder; name the images in it."),
    "empty.png": (Path.touch, "{} is empty (0 bytes); fetch or save it again."),
    "text.jpg": (lambda file: file.write_text("no image"), "{} is no image that can be read; save it as PNG or JPEG."),
    "program.eps": (FLOWER.save, "{} is no image that can be read; save it as PNG or JPEG."),  # Ghostscript's to run
    "short.jpg": (cut_short, "{} cannot be read (image file is truncated "),
    "short.png": (cut_short, "{} cannot be read (image file is truncated"),
    "damaged.png": (damaged, "{} cannot be read ("),
    "bomb.png": (bomb, "{} has more than 89 megapixels; save it smaller first."),
    "pipe.png": (os.mkfifo, "{} is no ordinary file; copy it to one."),
    "float.tif": (SMALL.convert("F").save, "{} cannot be read (numbers without a known white; 8 and 16 bits per "),
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
