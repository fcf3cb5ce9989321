"""Test accuracies that other people report for ResNets on CIFAR-100, trained from scratch on its 32×32 images."""

from dataclasses import dataclass
from enum import StrEnum


class Stem(StrEnum):
    """What comes before the residual blocks."""

    LARGE = "7×7 with stride 2, and max-pooling"
    """The standard network's, made for ImageNet's 224×224 images."""
    SMALL = "3×3 with stride 1, no max-pooling"
    """The modified network's."""


@dataclass(frozen=True)
class Source:
    """Where a figure stands."""

    name: str
    url: str

    def link(self) -> str:
        """Return it as Markdown."""
        return f"[{self.name}]({self.url})"


@dataclass(frozen=True)
class Report:
    """One reported figure."""

    network: str
    stem: Stem
    accuracy: float
    """On the test images, in per cent."""
    epochs: int | None
    """None if the source does not say."""
    recipe: str
    """What is said of the training."""
    figure: str
    """Which of a training's figures it is."""
    source: Source
    at_least: bool = False
    """Whether the source says “and more”."""

    def shown(self) -> str:
        """Return the accuracy as the source gives it."""
        return f"{self.accuracy:.4g}" + "+" * self.at_least


README = Source("weiaicunzai/pytorch-cifar100, README", "https://github.com/weiaicunzai/pytorch-cifar100")
ISSUE_17 = Source("weiaicunzai/pytorch-cifar100, issue 17", "https://github.com/weiaicunzai/pytorch-cifar100/issues/17")
ISSUE_27 = Source("weiaicunzai/pytorch-cifar100, issue 27", "https://github.com/weiaicunzai/pytorch-cifar100/issues/27")
ISSUE_29 = Source("weiaicunzai/pytorch-cifar100, issue 29", "https://github.com/weiaicunzai/pytorch-cifar100/issues/29")
OPENMIXUP = Source(
    "Westlake-AI/openmixup, CIFAR-100",
    "https://github.com/Westlake-AI/openmixup/blob/main/configs/classification/cifar100/README.md",
)
FOB = Source(
    "automl/FOB, classification_small",
    "https://github.com/automl/FOB/blob/main/pytorch_fob/tasks/classification_small/README.md",
)
TIMM = Source(
    "huggingface/pytorch-image-models, issue 2481", "https://github.com/huggingface/pytorch-image-models/issues/2481"
)
DADALTO = "https://huggingface.co/edadaltocg/resnet18_cifar100"
DADALTO_200 = Source(
    "edadaltocg, earlier weights", f"{DADALTO}/blob/f0c2a36eacfb0568403be6e527be8494b1dea88c/eval_results.json"
)
DADALTO_300 = Source(
    "edadaltocg, later weights", f"{DADALTO}/blob/38cd9704418cbf17de99782ee16e30bf7281ffba/eval_results.json"
)

SGD_STEPS = "SGD, batch 128, rate divided by 5 at epochs 60, 120 and 160"
SGD_COSINE = "SGD, batch 100, cosine"
TORCHVISIONS, REPOSITORYS = "not said; torchvision's network", "not said; the repository's network"
TIMMS, REPORTERS = "the same for both; timm's network", "the same for both; the reporter's network"
BEST_ON_TEST = "best epoch on the test images"
MEDIAN = "median of the last 10 epochs"

REPORTS = [
    Report("ResNet-18", Stem.SMALL, 77.9, 50, "AdamW, batch 128, TrivialAugment", "best of a grid; 3 seeds", FOB),
    Report("ResNet-18", Stem.SMALL, 75.61, 200, SGD_STEPS, f"the script keeps the {BEST_ON_TEST}", README),
    Report("ResNet-18", Stem.SMALL, 76.1, None, "another user's runs of that script", "mean of 3 runs", ISSUE_27),
    Report("ResNet-18", Stem.SMALL, 76.42, 200, SGD_COSINE, MEDIAN, OPENMIXUP),
    Report("ResNet-18", Stem.SMALL, 79.45, 200, f"{SGD_COSINE}, CutMix", MEDIAN, OPENMIXUP),
    Report("ResNet-18", Stem.SMALL, 81.21, 200, f"{SGD_COSINE}, SAMix", MEDIAN, OPENMIXUP),
    Report("ResNet-18", Stem.SMALL, 78.43, 200, "SGD, batch 64, cosine", f"{BEST_ON_TEST}; last: 78.37", DADALTO_200),
    Report("ResNet-18", Stem.SMALL, 79.26, 300, "SGD, batch 128, cosine", f"{BEST_ON_TEST}; last: 79.20", DADALTO_300),
    Report("ResNet-18", Stem.LARGE, 55, None, TORCHVISIONS, "not said", ISSUE_29),
    Report("ResNet-18", Stem.SMALL, 70, None, REPOSITORYS, "not said", ISSUE_29, at_least=True),
    Report("ResNet-34", Stem.LARGE, 59.78, 200, TIMMS, f"{BEST_ON_TEST}; last: 59.68", TIMM),
    Report("ResNet-34", Stem.SMALL, 75.91, 200, REPORTERS, f"{BEST_ON_TEST}; last: 75.88", TIMM),
    Report("ResNet-50", Stem.LARGE, 60, None, TORCHVISIONS, "not said", ISSUE_17),
    Report("ResNet-50", Stem.SMALL, 78.9, None, REPOSITORYS, "not said", ISSUE_17),
]  # fmt: skip
MIXES = ("CutMix", "SAMix")
"""Recipes that mix images, which the paper's does not."""


def pairs() -> list[tuple[Report, Report]]:
    """Return what one source reports of both stems of one network: large, small."""
    return [
        (large, small)
        for large in REPORTS
        for small in REPORTS
        if (large.stem, small.stem) == (Stem.LARGE, Stem.SMALL)
        and (large.network, large.source) == (small.network, small.source)
    ]


def of_resnet18_without_mixing() -> list[Report]:
    """Return the figures of the paper's modified network under a recipe that mixes no images, as the paper's."""
    return [
        report
        for report in REPORTS
        if (report.network, report.stem) == ("ResNet-18", Stem.SMALL)
        and not report.at_least
        and not report.recipe.endswith(MIXES)
    ]
