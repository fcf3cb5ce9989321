#!/usr/bin/env bash
# Saving a picture as AVIF takes the orientation out of the Exif object that the caller holds, so that the JPEG saved
# next from the same object lies on its side. Saved in the other order, both stand upright.
#
# Versions: Pillow 13.0.0.
# Source: found by saving one picture in several formats in a row. `_save` in `src/PIL/AvifImagePlugin.py` turns the
# tag into AVIF's own "irot" and "imir" and removes it by `pop` from the object that it was given, not from a copy;
# `src/PIL/JpegImagePlugin.py` and the others leave it alone.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pillow==13.0.0'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import PIL
from PIL import ExifTags, Image

print("Pillow", PIL.__version__)
TURNED = 6  # "turn by 90 degrees clockwise to see me upright"


def orientation_of_jpeg(picture, exif):
    stored = io.BytesIO()
    picture.save(stored, "JPEG", exif=exif)
    return Image.open(stored).getexif().get(ExifTags.Base.Orientation)


picture = Image.new("RGB", (16, 8))
exif = Image.Exif()
exif[ExifTags.Base.Orientation] = TURNED
before = orientation_of_jpeg(picture, exif)
picture.save(io.BytesIO(), "AVIF", exif=exif)
after = orientation_of_jpeg(picture, exif)
print("orientation in a JPEG saved before the AVIF:", before, "- and after it:", after)

if (before, after) != (TURNED, None):
    sys.exit("The behaviour has changed: saving as AVIF leaves the caller's Exif object alone.")
PYTHON
