"""What is known about the data of each source, for the cards of models that were trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyres.params.class_names import CIFAR100


@dataclass(frozen=True)
class KnownData:
    """One source of images."""

    title: str
    identifier: str
    """Its name on Hugging Face's hub if it is there, else that of the source in `params.yaml`."""
    origin: str
    """Who made it and how, and its terms of use, in Markdown."""
    faults: tuple[str, ...]
    """Whole sentences in Markdown, each with its source."""
    people: tuple[str, ...] = ()
    """The classes that show people."""

    def faults_among(self, classes: Sequence[str]) -> list[str]:
        """Return the faults as far as they concern a study with these classes."""
        people = ", ".join(f"`{name}`" for name in self.people if name in classes)
        return [*self.faults, *([f"**People.** These of the classes show people: {people}."] if people else [])]


KNOWN = {
    "cifar100": KnownData(
        "CIFAR-100",
        "uoft-cs/cifar100",
        "A. Krizhevsky, [Learning Multiple Layers of Features from Tiny Images]"
        "(https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf), 2009: photographs from the web, shrunk to "
        "32×32 pixels and labelled by paid students. Its authors name no licence and ask to be cited.",
        (
            "**Twins.** About 10 % of CIFAR-100's test images have a duplicate or near-duplicate among its training "
            "images, so test accuracies are somewhat too high (B. Barz and J. Denzler, 2020, "
            "[doi:10.3390/jimaging6060041](https://doi.org/10.3390/jimaging6060041)).",
            "**Labels.** An estimated 5.85 % of CIFAR-100's test labels are wrong (C. G. Northcutt, A. Athalye and J. "
            "Mueller, 2021, [arXiv:2103.14749](https://arxiv.org/abs/2103.14749)).",
            "**Origin.** The images come from Tiny Images, which its makers withdrew in 2020 because it contains "
            "offensive categories and pictures of people who were never asked (A. Birhane and V. U. Prabhu, 2021, "
            "[arXiv:2006.16923](https://arxiv.org/abs/2006.16923)).",
        ),
        tuple(CIFAR100["people"]),
    ),
    "digits": KnownData(
        "scikit-learn's digits",
        "digits",
        "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, 1998, "
        "[doi:10.24432/C50P49](https://doi.org/10.24432/C50P49), CC BY 4.0: the test part, 8×8 pixels in 17 shades of "
        "grey.",
        ("**Writers.** The images do not say who wrote them, so one hand can appear in training and test images.",),
    ),
}
OWN = KnownData(
    "pictures from a folder",
    "image_folder",
    "Image files that whoever trained this model provided.",
    ("**Unknown.** Nobody has reported on duplicates or wrong labels among them.",),
)


def known_data(source: str) -> KnownData:
    """Return what is known about a source, by its name in `params.yaml`."""
    return KNOWN.get(source, OWN)
