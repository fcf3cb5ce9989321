"""An epoch of the report's CNN at batch 32 by our trainer, against the report's own program: Keras's `fit` on
TensorFlow, with its layers, its SGD and the same images, without online augmentation on either side. Keras lives in an
environment of its own: `KERAS_PYTHON` names that Python (Keras 3.15.0, TensorFlow 2.21.0); without it nothing is
measured. Both processes live throughout, and their epochs take turns."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Figure, interleave, median, ratios, spread
from benchmarks.setting import Setting, epoch_seconds, first, make_trainer, with_classes
from tinyres.common.dataset import Split
from tinyres.params import load_yaml

TITLE = "The report's CNN against Keras"
REPETITIONS = 7
IMAGES = 12_500  # as many as the report's training set has with its four copies
STUDY = Path(__file__).parents[1] / "studies/aquatic_mammals/params.yaml"

REPORTS_PROGRAM = """
import sys, time
import keras, numpy as np, tensorflow as tf
from keras import layers

folder = sys.argv[1]
images = np.load(f"{folder}/images.npy").astype("float32") / 255
labels = np.load(f"{folder}/labels.npy")
model = keras.Sequential([
    keras.Input((32, 32, 3)),
    layers.Conv2D(32, 2, strides=2, padding="same"), layers.MaxPooling2D(2, strides=1, padding="same"),
    layers.Conv2D(64, 2, strides=2, padding="same"), layers.MaxPooling2D(2, strides=1, padding="same"),
    layers.Flatten(),
    layers.Dense(256, activation="relu"), layers.Dropout(0.5),
    layers.Dense(128, activation="relu"), layers.Dropout(0.5),
    layers.Dense(5, activation="softmax"),
])
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}", flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    model.fit(images, labels, batch_size=32, epochs=1, verbose=0)
    print(time.perf_counter() - started, flush=True)
"""


def measure(setting: Setting) -> list[Figure]:
    """Keras's time for an epoch over ours."""
    python = os.environ.get("KERAS_PYTHON")
    if python is None or setting.on_gpu:
        return []
    split = with_classes(first(setting.images, IMAGES), "cnn")
    trainer = make_trainer("cnn", split, 32, setting.machine, **reports_recipe())
    with keras_process(python, split) as process:
        versions = read_line(process)
        seconds = interleave({"ours": lambda: epoch_seconds(trainer), "keras": lambda: fit(process)}, REPETITIONS)
    pairs = ratios(seconds["keras"], seconds["ours"])
    ours, theirs = (IMAGES / median(seconds[name]) for name in ("ours", "keras"))
    detail = f"{ours:,.0f} against {theirs:,.0f} images/s; {versions}; {spread(pairs)}"
    return [Figure("epoch of the report's CNN, batch 32", median(pairs), "×", "≥ 2.5", detail)]


def reports_recipe() -> dict[str, Any]:
    """The report's optimizer, and no online augmentation, by dotted name."""
    study = load_yaml(STUDY)
    values = {"lr": study["lr"], "weight_decay": study["weight_decay"]}
    for section in ("optimizer", "scheduler"):
        values |= {f"{section}.{name}": value for name, value in study[section].items()}
    return values | {f"augment.online.{name}": value for name, value in study["augment"]["online"].items()}


@contextmanager
def keras_process(python: str, split: Split) -> Iterator[subprocess.Popen[str]]:
    """The report's program, which trains an epoch for each line that it reads."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", split.images)
        np.save(Path(folder) / "labels.npy", split.labels)
        process = subprocess.Popen(
            [python, "-c", REPORTS_PROGRAM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def fit(process: subprocess.Popen[str]) -> float:
    """Seconds of an epoch there."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(read_line(process))


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that the program prints.

    Raises:
        SystemExit: it has ended.
    """
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        sys.exit("The Python that KERAS_PYTHON names has ended; does it have Keras and TensorFlow?")
    return line
