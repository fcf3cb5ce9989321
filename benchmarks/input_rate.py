"""Images per second on one core, through crop, flip, rotation, colour jitter and normalisation with the paper's
parameters: our batches of 64, shuffling and sampling included, against torchvision's transforms on PIL images, one by
one, without a DataLoader; and, where kornia is installed (`pip install kornia==0.9.0`), against its
`AugmentationSequential` on batches of 64. On a GPU, ours and kornia run there and torchvision on one core beside it."""

import time
from importlib.util import find_spec

import torch

from benchmarks.measure import Figure, interleave, median, ratios, spread, synchronise
from benchmarks.setting import MEAN, STD, Setting, first, paper_params
from benchmarks.usual_loop import InMemory
from tinyres.augmentation.online import BatchAugmentation
from tinyres.models import Classifier
from tinyres.training.batches import batches, plan_epoch
from tinyres.training.placement import DeviceSplit

TITLE = "Input"
REPETITIONS = 9
OUR_IMAGES, THEIR_IMAGES = 12_800, 640  # some tenths of a second each


def measure(setting: Setting) -> list[Figure]:
    """The ratio of our rate to each of the others."""
    contenders = {"ours": OurInput(setting).rate, "torchvision": TorchvisionInput(setting).rate}
    if find_spec("kornia"):
        contenders["kornia"] = KorniaInput(setting).rate
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rates = interleave(contenders, REPETITIONS)
    finally:
        torch.set_num_threads(threads)
    figures = []
    for other in contenders.keys() - {"ours"}:
        pairs = ratios(rates["ours"], rates[other])
        detail = f"{median(rates['ours']):,.0f} against {median(rates[other]):,.0f} images/s; {spread(pairs)}"
        what = f"against {other}, {'on a GPU' if setting.on_gpu else 'one core each'}"
        figures.append(Figure(what, median(pairs), "×", "≥ 20" if other == "torchvision" else "", detail))
    return sorted(figures, key=lambda figure: figure.what, reverse=True)


class OurInput:
    """Batches as the trainer makes them, and the normalisation that the classifier does."""

    def __init__(self, setting: Setting) -> None:
        self.device, self.policy = setting.machine.device, paper_params().augment.online
        self.split = DeviceSplit.from_arrays(first(setting.images, OUR_IMAGES), self.device)
        self.augmentation = BatchAugmentation(self.policy, 32, 32, 100, self.device)
        self.normalise = Classifier(torch.nn.Identity(), MEAN, STD).to(self.device).normalise

    def rate(self) -> float:
        started = time.perf_counter()
        plan = plan_epoch(len(self.split), 64, self.policy, seed=0, epoch=0)
        for pixels, _ in batches(self.split, plan, self.augmentation):
            self.normalise(pixels)
        synchronise(self.device)
        return len(self.split) / (time.perf_counter() - started)


class TorchvisionInput:
    """Items of torchvision's dataset."""

    def __init__(self, setting: Setting) -> None:
        self.dataset = InMemory(first(setting.images, THEIR_IMAGES))

    def rate(self) -> float:
        started = time.perf_counter()
        for number in range(len(self.dataset)):
            self.dataset[number]
        return len(self.dataset) / (time.perf_counter() - started)


class KorniaInput:
    """kornia's batched augmentation with the paper's parameters, sampled for every image, and its normalisation."""

    def __init__(self, setting: Setting) -> None:
        from kornia import augmentation

        self.device, policy = setting.machine.device, paper_params().augment.online
        self.images = DeviceSplit.from_arrays(first(setting.images, OUR_IMAGES), self.device).images
        jitter = (policy.brightness, policy.contrast, policy.saturation, policy.hue)
        self.augmentation = augmentation.AugmentationSequential(
            augmentation.RandomCrop((32, 32), padding=policy.crop_padding),
            augmentation.RandomHorizontalFlip(p=policy.flip),
            augmentation.RandomRotation(policy.rotation, resample="nearest", p=1.0),
            augmentation.ColorJitter(*jitter, p=1.0),
            augmentation.Normalize(MEAN, STD),
        )

    def rate(self) -> float:
        started = time.perf_counter()
        for rows in torch.randperm(len(self.images)).split(64):
            self.augmentation(self.images[rows.to(self.device)].float() / 255)
        synchronise(self.device)
        return len(self.images) / (time.perf_counter() - started)
