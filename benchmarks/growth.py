"""What more images cost. Time: whole epochs of our trainer with next to no network, so that the input is nearly all of
it, at the same number of images per turn (20 epochs of 2,500, 5 of 10,000, 1 of 50,000). Memory: the peak of a process
that reads the images as the train stage does, holds them on the device, samples a whole epoch and takes its last four
steps with the modified ResNet-18 at batch 64, MLflow loaded as in the stage. Ten times CIFAR-100 stays in its file
(`runtime.data: mmap`), freshly written; its process's memory is what it holds itself after a whole epoch, without the
pages of the file that the system keeps while nobody needs the room."""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import Figure, interleave, median, own_memory, peak_memory, ratios, spread
from benchmarks.setting import Setting, epoch_seconds, first, make_trainer, paper_params
from tinyres.common.dataset import Split, read_split, write_split
from tinyres.models.machine import prepare_machine

TITLE = "Growth"
REPETITIONS = 5
COUNTS = (2_500, 10_000, 50_000)
LAST_STEPS = 4
TIMES = 10


def measure(setting: Setting) -> list[Figure]:
    """Time per image against that of 10,000 images, and peak memory, at each size."""
    return [*times(setting), *memory(setting), *from_its_file(setting)]


def times(setting: Setting) -> list[Figure]:
    """Seconds per image, in relation to 10,000 images."""
    trainers = {count: make_trainer("linear", first(setting.images, count), 64, setting.machine) for count in COUNTS}

    def per_image(count: int) -> float:
        epochs = COUNTS[-1] // count
        return sum(epoch_seconds(trainers[count]) for _ in range(epochs)) / COUNTS[-1]

    contenders = {str(count): lambda count=count: per_image(count) for count in COUNTS}
    seconds = interleave(contenders, REPETITIONS)
    figures = []
    for count in COUNTS:
        pairs = ratios(seconds[str(count)], seconds["10000"])
        detail = f"{median(seconds[str(count)]) * 1e6:.1f} µs per image; {spread(pairs)}"
        target = "within 0.10 of 1" if count == COUNTS[-1] else ""
        figures.append(Figure(f"time per image, {count:,} against 10,000 images", median(pairs), "×", target, detail))
    return figures


def memory(setting: Setting) -> list[Figure]:
    """Peaks, GB, each of a process of its own."""
    figures = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            write_split(Path(folder) / "train", first(setting.images, count))
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, context) as pool:
                host, device = pool.submit(train_a_little, Path(folder) / "train").result()
        detail = f"of which {count * 3072 / 1e9:.2f} GB are the images"
        if setting.on_gpu:
            figures.append(Figure(f"peak GPU memory, {count:,} images", device, " GB", "", detail))
        target = "< 2.5" if count == COUNTS[-1] and not setting.on_gpu else ""
        figures.append(Figure(f"peak memory of the process, {count:,} images", host, " GB", target, detail))
    return figures


def from_its_file(setting: Setting) -> list[Figure]:
    """Ten times the images, mapped: time per image against those held on the device, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        many = np.concatenate([setting.images.images] * TIMES)
        write_split(Path(folder) / "train", Split(many, np.concatenate([setting.images.labels] * TIMES)))
        del many
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            seconds = interleave(
                {
                    "held": lambda: pool.submit(epoch_per_image, setting.images, "device").result()[0],
                    "mapped": lambda: pool.submit(epoch_per_image, Path(folder) / "train", "mmap").result()[0],
                },
                REPETITIONS // 2,
            )
            held = pool.submit(epoch_per_image, Path(folder) / "train", "mmap").result()[1]
    pairs = ratios(seconds["mapped"], seconds["held"])
    count = f"{TIMES * len(setting.images):,} images in their file"
    detail = f"{median(seconds['mapped']) * 1e6:.1f} µs per image; {spread(pairs)}"
    size = TIMES * setting.images.images.nbytes / 1e9
    return [
        Figure(f"time per image, {count}, against 50,000 on the device", median(pairs), "×", "", detail),
        Figure(f"memory of the process, {count}", held, " GB", "< 2.5", f"the file has {size:.2f} GB"),
    ]


def epoch_per_image(images: Split | Path, where: str) -> tuple[float, float]:
    """Seconds of an epoch per image, and what the process then holds, GB."""
    split = read_split(images) if isinstance(images, Path) else images
    trainer = make_trainer("linear", split, 64, prepare_machine(paper_params().runtime), where=where)
    return epoch_seconds(trainer) / len(split), own_memory()


def train_a_little(folder: Path, **changes: Any) -> tuple[float, float]:
    """The end of an epoch; peak memory of the process and of the GPU, GB."""
    import mlflow.pyfunc  # noqa: F401  as the train stage does when it records the model

    machine = prepare_machine(paper_params(**changes).runtime)
    trainer = make_trainer("modified", read_split(folder), 64, machine)
    trainer.step = -(-len(trainer.images.train) // 64) - LAST_STEPS  # as a training that resumes there
    epoch_seconds(trainer)
    device = torch.cuda.max_memory_allocated() / 1e9 if machine.device.type == "cuda" else 0.0
    return peak_memory(), device
