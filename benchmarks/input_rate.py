"""Images per second on one core, through crop, flip, rotation, colour jitter and normalisation with the paper's
parameters: our batches of 64, shuffling and drawing included, against torchvision's transforms on PIL images, one by
one, without a DataLoader. On a GPU, ours runs there and torchvision on one core beside it."""

import time

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
    """The ratio of both rates."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rates = interleave({"ours": OurInput(setting).rate, "theirs": TheirInput(setting).rate}, REPETITIONS)
    finally:
        torch.set_num_threads(threads)
    pairs = ratios(rates["ours"], rates["theirs"])
    detail = f"{median(rates['ours']):,.0f} against {median(rates['theirs']):,.0f} images/s; {spread(pairs)}"
    what = "GPU against one core" if setting.on_gpu else "one core each"
    return [Figure(what, median(pairs), "×", "≥ 20", detail)]


class OurInput:
    """Batches as the trainer makes them, and the normalisation that the classifier does."""

    def __init__(self, setting: Setting) -> None:
        self.device, self.policy = setting.machine.device, paper_params().augment.online
        self.split = DeviceSplit.from_arrays(first(setting.images, OUR_IMAGES), self.device)
        self.augmentation = BatchAugmentation(self.policy, 32, 32, self.device)
        self.normalise = Classifier(torch.nn.Identity(), MEAN, STD).to(self.device).normalise

    def rate(self) -> float:
        started = time.perf_counter()
        plan = plan_epoch(len(self.split), 64, self.policy, seed=0, epoch=0)
        for pixels, _ in batches(self.split, plan, self.augmentation):
            self.normalise(pixels)
        synchronise(self.device)
        return len(self.split) / (time.perf_counter() - started)


class TheirInput:
    """Items of torchvision's dataset."""

    def __init__(self, setting: Setting) -> None:
        self.dataset = InMemory(first(setting.images, THEIR_IMAGES))

    def rate(self) -> float:
        started = time.perf_counter()
        for number in range(len(self.dataset)):
            self.dataset[number]
        return len(self.dataset) / (time.perf_counter() - started)
