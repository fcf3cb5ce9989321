"""RandAugment, AutoAugment, TrivialAugment and AugMix: the operations that each image goes through.

The choices, ranges and probabilities are torchvision's (`RandAugment`, `AutoAugment` for CIFAR-10,
`TrivialAugmentWide`, `AugMix`). An image goes through one chain of operations, or through several side by side whose
results are mixed. Within a batch the images are sorted by operation, anew for each turn, so that an operation takes
one call for all its images. The host knows where each operation's images begin, so slicing waits for no device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tinyres.augmentation.per_image import Bounds, PerImage, begin_of, count_within, sort_within
from tinyres.augmentation.policy_operations import OPERATIONS, Settings
from tinyres.params import OnlineAugmentation

NAMES = list(OPERATIONS)
NUMBER = {name: number for number, name in enumerate(NAMES)}
IN_RANDOM_CHOICE = len(NAMES) - 1  # all but invert, which only AutoAugment knows

FUNCTIONS = list(dict.fromkeys(OPERATIONS.values()))
FUNCTION_OF = torch.tensor([FUNCTIONS.index(function) for function in OPERATIONS.values()])
"""The function that does each operation: one for all that move pixels."""


@dataclass(frozen=True)
class Ranges:
    """The strength of each operation at level 1."""

    shear: float
    """Pixels per pixel."""
    translation: Callable[[int], float]
    """Pixels, of a side in pixels."""
    rotation: float
    """Degrees, counter-clockwise."""
    factor: float
    """By how much the factor of brightness, colour, contrast and sharpness, 1 at level 0, changes."""
    dropped_bits: tuple[int, int]
    """Of the 8 bits, how many posterize drops at level 0 and at level 1."""


MODERATE = Ranges(shear=0.3, translation=lambda side: side * 150 / 331, rotation=30, factor=0.9, dropped_bits=(0, 4))
WIDE = Ranges(shear=0.99, translation=lambda side: 32, rotation=135, factor=0.99, dropped_bits=(0, 6))
OF_AUGMIX = Ranges(shear=0.3, translation=lambda side: side / 3, rotation=30, factor=0.9, dropped_bits=(4, 8))


@dataclass
class PolicySamples:
    """The operations of N images: C chains of T turns."""

    operation: Tensor
    """N×C×T, int64: place in `OPERATIONS`."""
    level: Tensor
    """N×C×T, float32: strength as a share of the operation's range, −1…1; the sign says nothing where the range is
    one-sided."""
    ranges: Ranges
    shares: Tensor | None = None
    """N×(1+C), float32: the shares of the original image and of each chain's result in the mixture; None where the only
    chain's result is not mixed."""

    def __getitem__(self, rows: Tensor | slice) -> "PolicySamples":
        shares = None if self.shares is None else self.shares[rows]
        return PolicySamples(self.operation[rows], self.level[rows], self.ranges, shares)


LEVELS = 30  # steps of RandAugment's and TrivialAugment's strength
AUTOAUGMENT_LEVELS = 9  # and of AugMix
AUGMIX_CHAINS, AUGMIX_TURNS, AUGMIX_SEVERITY = 3, 3, 3

Step = tuple[str, float, int]
"""An operation, its probability and its level; operations without a strength have level 0."""

AUTOAUGMENT_CIFAR10: list[tuple[Step, Step]] = [  # its paper's table 7, as torchvision has it
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
]


def randaugment(params: OnlineAugmentation, count: int, generator: torch.Generator) -> PolicySamples:
    """`operations` operations, sampled uniformly, all at the same level."""
    shape = (count, 1, params.operations)
    operation = torch.randint(IN_RANDOM_CHOICE, shape, generator=generator)
    return PolicySamples(operation, params.magnitude / LEVELS * _signs(shape, generator), MODERATE)


def autoaugment(params: OnlineAugmentation, count: int, generator: torch.Generator) -> PolicySamples:
    """One of the pairs, sampled uniformly; each of its two operations happens with its own probability."""
    pairs = [[(NUMBER[name], share, level) for name, share, level in pair] for pair in AUTOAUGMENT_CIFAR10]
    chosen = torch.randint(len(pairs), (count,), generator=generator)
    operation, probability, level = torch.tensor(pairs)[chosen].unbind(2)
    happens = torch.rand(count, 2, generator=generator) < probability
    operation = torch.where(happens, operation.long(), NUMBER["identity"])
    level = level / AUTOAUGMENT_LEVELS * _signs((count, 2), generator)
    return PolicySamples(operation[:, None], level[:, None], MODERATE)


def trivialaugment(params: OnlineAugmentation, count: int, generator: torch.Generator) -> PolicySamples:
    """One operation at one level, both sampled uniformly."""
    shape = (count, 1, 1)
    operation = torch.randint(IN_RANDOM_CHOICE, shape, generator=generator)
    level = torch.randint(LEVELS + 1, shape, generator=generator) / LEVELS
    return PolicySamples(operation, level * _signs(shape, generator), WIDE)


def augmix(params: OnlineAugmentation, count: int, generator: torch.Generator) -> PolicySamples:
    """Three chains of one to three light operations, sampled uniformly, mixed with each other and with the image: their
    shares are Dirichlet(1, 1, 1), the image's is Beta(1, 1)."""
    shape = (count, AUGMIX_CHAINS, AUGMIX_TURNS)
    operation = torch.randint(NUMBER["identity"] + 1, IN_RANDOM_CHOICE, shape, generator=generator)
    level = torch.randint(AUGMIX_SEVERITY, shape, generator=generator) / AUTOAUGMENT_LEVELS * _signs(shape, generator)
    turns = torch.randint(1, AUGMIX_TURNS + 1, shape[:2], generator=generator)
    operation[torch.arange(AUGMIX_TURNS) >= turns[..., None]] = NUMBER["identity"]
    unmixed = torch.rand(count, 1, generator=generator)
    shares = torch.empty(shape[:2]).exponential_(generator=generator)
    shares = (1 - unmixed) * shares / shares.sum(dim=1, keepdim=True)
    return PolicySamples(operation, level, OF_AUGMIX, torch.cat([unmixed, shares], dim=1))


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=generator).float() * 2 - 1


POLICIES: dict[str, Callable[[OnlineAugmentation, int, torch.Generator], PolicySamples]] = {
    "randaugment": randaugment,
    "autoaugment": autoaugment,
    "trivialaugment": trivialaugment,
    "augmix": augmix,
}


def settings_of(operation: Tensor, level: Tensor, ranges: Ranges, height: int, width: int) -> Settings:
    """The settings of operations (int64 N) at levels (N) for images of one size."""
    level = level.double()

    def amount(name: str, at_one: float) -> Tensor:
        return torch.where(operation == NUMBER[name], level * at_one, 0)

    factors = [amount(name, ranges.factor) for name in ("brightness", "color", "contrast", "sharpness")]
    least, most = ranges.dropped_bits
    dropped = (least + level.abs() * (most - least)).round()
    mask = torch.where(operation == NUMBER["posterize"], 256 - 2**dropped, 0)
    # Rounded first, so that a whole number with a rounding error counts as whole.
    threshold = (255 - 255 * level.abs()).round(decimals=3).ceil()
    inverted = torch.where(operation == NUMBER["solarize"], threshold, 0)
    strength = torch.stack([*factors, mask, inverted]).sum(dim=0)  # at most one is not 0

    shear_x, shear_y = amount("shear_x", ranges.shear), amount("shear_y", ranges.shear)
    across = amount("translate_x", ranges.translation(width)).trunc()
    down = amount("translate_y", ranges.translation(height)).trunc()
    angle = amount("rotate", math.radians(ranges.rotation))
    cos, sin = angle.cos(), angle.sin()
    # A shear leaves the image's upper or left edge where it is, a rotation its centre.
    column = torch.stack([cos, shear_x - sin, (width - 1) / 2 + shear_x * height / 2 - across], dim=1)
    row = torch.stack([shear_y + sin, cos, (height - 1) / 2 + shear_y * width / 2 - down], dim=1)
    return Settings(strength.float()[:, None, None, None], torch.stack([column, row], dim=1).float())


@dataclass
class Turn(PerImage):
    """One turn of N images, sorted by function within their batches."""

    origin: Tensor
    """int64 N: the place that the image had in its batch after the turn before."""
    settings: Settings


class Chain:
    """One chain's operations (int64 N×T) at their levels (N×T), for images of one size on a device."""

    def __init__(
        self,
        operations: Tensor,
        levels: Tensor,
        ranges: Ranges,
        bounds: Bounds,
        size: tuple[int, int],
        device: torch.device,
    ) -> None:
        self.bounds = bounds
        begin = begin_of(bounds)
        self.turns: list[tuple[Turn, list[list[int]]]] = []
        """Each turn, with the number of images of each of `FUNCTIONS` in each batch."""
        place = torch.arange(len(begin))  # of each image after the turn before
        for operation, level in zip(operations.unbind(1), levels.unbind(1), strict=True):
            function = FUNCTION_OF[operation]
            order, counts = sort_within(bounds, function), count_within(bounds, function, len(FUNCTIONS))
            settings = settings_of(operation[order], level[order], ranges, *size)
            self.turns.append((Turn(place[order] - begin, settings).to(device), counts))
            place = order.argsort()
        self.back = (place - begin).to(device)
        """int64 N: the place that each image has in its batch after the last turn."""

    def apply(self, images: Tensor, batch: int) -> Tensor:
        """The images (uint8 B×3×H×W) of one batch, changed."""
        start, stop = self.bounds[batch]
        for turn, counts in self.turns:
            here = turn[start:stop]
            images = images.index_select(0, here.origin)
            settings = here.settings.split(counts[batch])
            for function, some, theirs in zip(FUNCTIONS, images.split(counts[batch]), settings, strict=True):
                if len(some):
                    function(some, theirs)
        return images.index_select(0, self.back[start:stop])


class PreparedPolicy:
    """The samples of N images, converted once per epoch to what images of one size need.

    Args:
        samples: of all batches, one after the other.
        bounds: of the batches.
        size: height and width, pixels.
        device: where the images will be.
    """

    def __init__(self, samples: PolicySamples, bounds: Bounds, size: tuple[int, int], device: torch.device) -> None:
        self.bounds = bounds
        chains = zip(samples.operation.unbind(1), samples.level.unbind(1), strict=True)
        self.chains = [Chain(*chain, samples.ranges, bounds, size, device) for chain in chains]
        self.shares = None if samples.shares is None else samples.shares[..., None, None, None].to(device)

    def apply(self, images: Tensor, batch: int) -> Tensor:
        """The images (uint8 B×3×H×W) of one batch, changed."""
        results = [chain.apply(images, batch) for chain in self.chains]
        if self.shares is None:
            (result,) = results
            return result
        of_image, *of_results = self.shares[slice(*self.bounds[batch])].unbind(1)
        mixture = images * of_image
        for result, share in zip(results, of_results, strict=True):
            mixture.addcmul_(result, share)
        return mixture.round_().to(torch.uint8)
