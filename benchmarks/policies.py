"""Policies, erasing and mixing, each alone: images per second on one core, ours in batches of 64 with shuffling,
drawing and conversion to float, against torchvision as it is used. There, policies change PIL images one by one, then
comes `ToTensor`, and behind it `RandomErasing`; `MixUp` and `CutMix` take batches of 64 tensors, collated. On a GPU,
ours runs there and torchvision on one core beside it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.data import default_collate
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode, v2

from benchmarks.measure import Figure, interleave, median, ratios, spread, synchronise
from benchmarks.setting import Setting, first, paper_params
from tinyres.augmentation.online import BatchAugmentation
from tinyres.common.dataset import Split
from tinyres.training.batches import batches, plan_epoch
from tinyres.training.placement import DeviceSplit

TITLE = "Policies"
REPETITIONS = 7
OUR_IMAGES, THEIR_IMAGES, BATCH, CLASSES = 6_400, 640, 64, 100
NOTHING = dict.fromkeys(["crop_padding", "flip", "rotation", "brightness", "contrast", "saturation", "hue"], 0)

NEAREST = InterpolationMode.NEAREST  # as ours, and the others' default

Transform = Callable[..., Any]


def theirs() -> dict[str, tuple[dict[str, object], list[Transform], Transform | None]]:
    """What is measured: our parameters, torchvision's transforms of an image, and of a batch."""
    cifar10 = v2.AutoAugmentPolicy.CIFAR10
    return {
        "RandAugment": ({"policy": "randaugment"}, [v2.RandAugment(), T.ToTensor()], None),
        "AutoAugment": ({"policy": "autoaugment"}, [v2.AutoAugment(cifar10), T.ToTensor()], None),
        "TrivialAugment": ({"policy": "trivialaugment"}, [v2.TrivialAugmentWide(), T.ToTensor()], None),
        "AugMix": ({"policy": "augmix"}, [v2.AugMix(interpolation=NEAREST), T.ToTensor()], None),
        "random erasing": ({"erasing": 0.5}, [T.ToTensor(), v2.RandomErasing(p=0.5)], None),
        "MixUp": ({"mixup": 0.2}, [T.ToTensor()], v2.MixUp(alpha=0.2, num_classes=CLASSES)),
        "CutMix": ({"cutmix": 1.0}, [T.ToTensor()], v2.CutMix(alpha=1.0, num_classes=CLASSES)),
    }


def measure(setting: Setting) -> list[Figure]:
    """The ratio of both rates, for each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [measure_one(setting, name, *each) for name, each in theirs().items()]
    finally:
        torch.set_num_threads(threads)


def measure_one(
    setting: Setting, name: str, changes: dict[str, object], of_image: list[Transform], of_batch: Transform | None
) -> Figure:
    """One of them."""
    ours = Ours(setting, changes)
    usual = Theirs(first(setting.images, THEIR_IMAGES), of_image, of_batch)
    rates = interleave({"ours": ours.rate, "theirs": usual.rate}, REPETITIONS)
    pairs = ratios(rates["ours"], rates["theirs"])
    detail = f"{median(rates['ours']):,.0f} against {median(rates['theirs']):,.0f} images/s; {spread(pairs)}"
    where = "GPU against one core" if setting.on_gpu else "one core each"
    return Figure(f"{name}, {where}", median(pairs), "×", "≥ 5", detail)


class Ours:
    """Batches as the trainer makes them, with nothing but the change in question."""

    def __init__(self, setting: Setting, changes: dict[str, object]) -> None:
        self.device = setting.machine.device
        self.policy = paper_params().augment.online.model_copy(update=NOTHING | changes)
        self.split = DeviceSplit.from_arrays(first(setting.images, OUR_IMAGES), self.device)
        self.augmentation = BatchAugmentation(self.policy, 32, 32, CLASSES, self.device)

    def rate(self) -> float:
        started = time.perf_counter()
        plan = plan_epoch(len(self.split), BATCH, self.policy, seed=0, epoch=0)
        for _ in batches(self.split, plan, self.augmentation):
            pass
        synchronise(self.device)
        return len(self.split) / (time.perf_counter() - started)


class Theirs:
    """PIL images that are in memory already; where they are mixed, batches of them."""

    def __init__(self, split: Split, of_image: Sequence[Transform], of_batch: Transform | None) -> None:
        self.images = [Image.fromarray(image) for image in split.images]
        self.labels = split.labels.tolist()
        self.of_image, self.of_batch = T.Compose(of_image), of_batch

    def rate(self) -> float:
        started = time.perf_counter()
        items = [(self.of_image(image), label) for image, label in zip(self.images, self.labels, strict=True)]
        if self.of_batch is not None:
            for begin in range(0, len(items), BATCH):
                self.of_batch(*default_collate(items[begin : begin + BATCH]))
        return len(self.images) / (time.perf_counter() - started)
