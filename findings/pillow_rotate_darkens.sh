#!/usr/bin/env bash
# Pillow's `rotate` and `transform` cut fractions off 8-bit pictures where its `resize` rounds them: one rotation with
# BILINEAR or BICUBIC takes half a level from every pixel of texture, ten moves 2.5 levels, and flat areas keep
# theirs.
#
# Versions: Pillow 13.0.0, NumPy 2.4.6.
# Source: found by comparing both with the same on floats (mode "F"). `bilinear_filter8`, `bicubic_filter8` and their
# RGB kin in `src/libImaging/Geometry.c` end in a bare cast to UINT8; `resize` is another file, `Resample.c`, and
# rounds. So a rotation as an augmentation makes training pictures darker than test pictures, by their texture.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pillow==13.0.0' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image
from PIL.Image import Resampling, Transform

print("Pillow", PIL.__version__)
noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8))
inner = (slice(64, 192), slice(64, 192))


def darkening(change):
    rounded_off = np.array(change(noise)).astype(float)
    exact = np.clip(np.array(change(noise.convert("F"))), 0, 255)
    return float((rounded_off - exact)[inner].mean())


def ten_moves(image):
    for move in range(10):
        half = 0.5 if move % 2 else -0.5
        image = image.transform(image.size, Transform.AFFINE, (1, 0, half, 0, 1, 0), Resampling.BILINEAR)
    return image


seen = {
    "resize BILINEAR": darkening(lambda image: image.resize((200, 200), Resampling.BILINEAR)),
    "rotate BILINEAR": darkening(lambda image: image.rotate(7, Resampling.BILINEAR)),
    "rotate BICUBIC": darkening(lambda image: image.rotate(7, Resampling.BICUBIC)),
    "ten moves by half a pixel": darkening(ten_moves),
}
for name, change in seen.items():
    print(f"{name:26} mean change {change:+.2f} levels")
flat = np.array(Image.new("L", (64, 64), 100).rotate(7, Resampling.BILINEAR))[16:48, 16:48]
print("a flat area of 100, rotated:", np.unique(flat).tolist())

cut = seen["rotate BILINEAR"] < -0.4 and seen["rotate BICUBIC"] < -0.4 and seen["ten moves by half a pixel"] < -2
if not (cut and abs(seen["resize BILINEAR"]) < 0.1 and (flat == 100).all()):
    sys.exit("The behaviour has changed: Pillow may round when it rotates.")
PYTHON
