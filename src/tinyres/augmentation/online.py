"""The online augmentation of a batch, with parameters sampled for every image.

Crop, flip, rotation and colour jitter are torchvision's (`RandomCrop`, `RandomHorizontalFlip`, `RandomRotation`,
`ColorJitter`), which sample one set of parameters per call. Here a batch of any size takes the same few dozen tensor
operations. Crop, flip and rotation are one gather. Policies, erasing and mixing have modules of their own.
Tests hold each operation against torchvision's own, given the same parameters.

The parameters of an epoch are sampled in advance on the CPU, so that nothing waits for the device, every device sees
the same samples, and any epoch can be rebuilt alone.
"""

import math
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from tinyres.augmentation.erasing import ErasingSamples, erase, erased_rectangles, sample_erasing
from tinyres.augmentation.geometry import Rectangles, take_nearest
from tinyres.augmentation.mixing import MixingSamples, Overlay, mix, overlays, sample_mixing
from tinyres.augmentation.per_image import Bounds, PerImage, count_within, sort_within
from tinyres.augmentation.policies import POLICIES, PolicySamples, PreparedPolicy
from tinyres.common.pixels import BLUE, GREEN, RED, in_unit_range
from tinyres.params import OnlineAugmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


@dataclass
class Samples(PerImage):
    """Parameters of N images; every tensor has N rows, float32 unless said otherwise."""

    top: Tensor
    """Rows of the padded image above the crop, 0…2·padding."""
    left: Tensor
    """Columns of the padded image to the left of the crop."""
    flip: Tensor
    """−1 where the image is mirrored, else 1."""
    angle: Tensor
    """Counter-clockwise rotation, radians."""
    factors: Tensor
    """N×4: factors of brightness, contrast and saturation, and the hue shift in turns of the colour circle."""
    order: Tensor
    """N×4, int64: which of the four comes first, second, third, last."""
    policy: PolicySamples | None
    erasing: ErasingSamples | None
    mixing: MixingSamples | None

    def hue_position(self) -> Tensor:
        """The position of hue among the four colour changes, 0…3, for each image."""
        return (self.order == HUE).int().argmax(dim=1)


def sample(policy: OnlineAugmentation, count: int, generator: torch.Generator) -> Samples:
    """Sample parameters for `count` images, independently of each other, on the CPU."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count).uniform_(low, high, generator=generator)

    def factor(strength: float) -> Tensor:
        return uniform(max(0.0, 1 - strength), 1 + strength)

    shifts = 2 * policy.crop_padding + 1
    top = torch.randint(shifts, (count,), generator=generator).float()
    left = torch.randint(shifts, (count,), generator=generator).float()
    flip = torch.where(torch.rand(count, generator=generator) < policy.flip, -1.0, 1.0)
    angle = uniform(-policy.rotation, policy.rotation) * (math.pi / 180)
    factors = [factor(policy.brightness), factor(policy.contrast), factor(policy.saturation)]
    factors.append(uniform(-policy.hue, policy.hue))
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)
    drawn = (top, left, flip, angle, torch.stack(factors, dim=1), order)
    mixes = policy.mixup > 0 or policy.cutmix > 0
    if not (policy.policy or policy.erasing or mixes):
        return Samples(*drawn, policy=None, erasing=None, mixing=None)
    # Each of these has a generator of its own, so that it does not change the samples of the others.
    seeds = torch.randint(2**63 - 1, (3,), generator=generator).tolist()
    own = [torch.Generator().manual_seed(seed) for seed in seeds]
    return Samples(
        *drawn,
        policy=POLICIES[policy.policy](policy, count, own[0]) if policy.policy else None,
        erasing=sample_erasing(policy.erasing, count, own[1]) if policy.erasing else None,
        mixing=sample_mixing(policy.mixup, policy.cutmix, count, own[2]) if mixes else None,
    )


@dataclass
class PreparedEpoch:
    """The samples of N images, converted once per epoch to what images of one size need; float32."""

    order: Tensor
    """int64 N: the order in which the images of each batch are augmented, and must arrive. They are sorted by the
    position of hue, so that images which share it are one slice."""
    bounds: Bounds
    hue_turns: list[list[int]]
    """For each batch, how many images have hue first, second, third, last: known to the host, so that slicing by it
    does not wait for the device."""
    by_column: Tensor
    """2×N×1×W; of this and the next three, see `take_nearest`."""
    by_row: Tensor
    """2×N×H×1."""
    low: Tensor
    """2×N×1×1: the first column and row of the image that the crop holds."""
    high: Tensor
    """2×N×1×1: the last ones."""
    weights: Tensor
    """3×3×N×1×1: for the first, second and last colour change but hue, as `_weights` gives them."""
    hue: Tensor
    """N×1×1: hue shift in sixths of the colour circle."""
    policy: PreparedPolicy | None
    erased: Rectangles | None
    overlay: Overlay | None


class BatchAugmentation:
    """The online augmentation of images of one size on one device."""

    def __init__(self, policy: OnlineAugmentation, height: int, width: int, classes: int, device: torch.device) -> None:
        self.policy, self.height, self.width, self.classes, self.device = policy, height, width, classes, device
        self.moves = policy.crop_padding > 0 or policy.flip > 0 or policy.rotation > 0
        self.changes_colour = policy.brightness > 0 or policy.contrast > 0 or policy.saturation > 0 or policy.hue > 0
        mixes = policy.mixup > 0 or policy.cutmix > 0
        self.changes_anything = (
            self.moves or policy.policy is not None or self.changes_colour or policy.erasing > 0 or mixes
        )

    def prepare(self, samples: Samples, bounds: Bounds) -> PreparedEpoch:
        """Convert the samples to what images of this size need, on the device.

        Args:
            samples: of all batches, one after the other.
            bounds: of the batches.
        """
        order = sort_within(bounds, samples.hue_position())
        samples = samples[order]
        width, height = self.width, self.height
        x = torch.arange(width) - (width - 1) / 2  # of the output's columns and rows, from its centre
        y = torch.arange(height) - (height - 1) / 2
        size = torch.tensor([[width], [height]])
        # The image's column and row at which the crop begins; negative where it begins with border.
        begin = torch.stack([samples.left, samples.top]) - self.policy.crop_padding
        sees_image = (begin.abs() < size).all(dim=0)
        centre = torch.where(sees_image, begin + (size - 1) / 2, math.inf)  # infinity lies outside every image
        cos, sin = samples.angle.cos(), samples.angle.sin()
        begin = begin.clamp(1 - size, size - 1)
        by_column = torch.stack([samples.flip * cos, sin])[:, :, None, None] * x
        by_row = centre[..., None, None] + torch.stack([-samples.flip * sin, cos])[:, :, None, None] * y[:, None]
        return PreparedEpoch(
            order,
            bounds,
            count_within(bounds, samples.hue_position(), 4),
            by_column.to(self.device),
            by_row.to(self.device),
            begin.clamp(min=0)[..., None, None].to(self.device),
            (begin.clamp(max=0) + size - 1)[..., None, None].to(self.device),
            _weights(samples, width * height)[..., None, None].to(self.device),
            6 * samples.factors[:, HUE, None, None].to(self.device),
            None if samples.policy is None else PreparedPolicy(samples.policy, bounds, (height, width), self.device),
            None if samples.erasing is None else erased_rectangles(samples.erasing, height, width).to(self.device),
            None if samples.mixing is None else overlays(samples.mixing, bounds, height, width).to(self.device),
        )

    def __call__(self, images: Tensor, labels: Tensor, prepared: PreparedEpoch, batch: int) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: uint8 B×3×H×W, in the order that `prepared` asks for.
            labels: int64 B.
            prepared: of the whole epoch.
            batch: its number.

        Returns:
            float32 B×3×H×W in [0, 1]; and the labels as they are, or each class's share of every image, float32 B×K,
            where the policy mixes images.
        """
        start, stop = prepared.bounds[batch]
        if prepared.policy is not None:
            moved = self._moved_bytes(images, prepared, start, stop) if self.moves else images
            pixels = in_unit_range(prepared.policy.apply(moved, batch))
        else:
            pixels = self._moved(images, prepared, start, stop) if self.moves else in_unit_range(images)
        if self.changes_colour:
            self._jitter(
                pixels, prepared.weights[:, :, start:stop], prepared.hue[start:stop], prepared.hue_turns[batch]
            )
        if prepared.erased is not None:
            erase(pixels, prepared.erased[start:stop])
        if prepared.overlay is not None:
            return mix(pixels, labels, prepared.overlay[start:stop], self.classes)
        return pixels, labels

    def _moved(self, images: Tensor, prepared: PreparedEpoch, start: int, stop: int) -> Tensor:
        """Cropped, mirrored and rotated, black where nothing is seen; float32 in [0, 1]."""
        colours, inside = self._crop_flip_rotate(images, prepared, start, stop)
        return colours.float().mul_(inside.div_(255)[:, None])

    def _moved_bytes(self, images: Tensor, prepared: PreparedEpoch, start: int, stop: int) -> Tensor:
        """The same, uint8."""
        colours, inside = self._crop_flip_rotate(images, prepared, start, stop)
        return colours.mul_(inside.byte()[:, None])

    def _crop_flip_rotate(
        self, images: Tensor, prepared: PreparedEpoch, start: int, stop: int
    ) -> tuple[Tensor, Tensor]:
        """Crop from the images with a black border, mirror, rotate about the centre: one gather of bytes."""
        low, high = prepared.low[:, start:stop], prepared.high[:, start:stop]
        return take_nearest(images, prepared.by_column[:, start:stop], prepared.by_row[:, start:stop], low, high)

    def _jitter(self, pixels: Tensor, weights: Tensor, hue: Tensor, hue_turns: list[int]) -> None:
        """Brightness, contrast, saturation and hue, in place, each image in its own order.

        The images are sorted by the position of hue. Change number i of the other three therefore comes before hue in
        all images behind edge i, and after it in all images before that edge, so that hue takes a single call.
        """
        edges = list(accumulate(hue_turns))[:3]
        for turn, edge in enumerate(edges):
            _change_colour(pixels[edge:], weights[turn, :, edge:])
        if self.policy.hue > 0:
            shift_hue(pixels, hue)
        for turn, edge in enumerate(edges):
            _change_colour(pixels[:edge], weights[turn, :, :edge])


def _weights(samples: Samples, area: int) -> Tensor:
    """3×3×N: for each turn of brightness, contrast and saturation the weights of image, sum of grey, and grey.

    All three are one formula, clamp(f·image + (1 − f)·reference), where the reference is black, the image's mean grey,
    or each pixel's own grey. Grey is in units of red's share of it, which saves a pass, and the sum over the image's
    `area` (pixels) stands for its mean.
    """
    operation = samples.order[samples.order != HUE].view(-1, 3).T
    factor = samples.factors.T.gather(0, operation)
    reference = RED * (1 - factor)
    return torch.stack(
        [factor, reference / area * (operation == CONTRAST), reference * (operation == SATURATION)], dim=1
    )


def _change_colour(pixels: Tensor, weights: Tensor) -> None:
    """Change brightness, contrast or saturation of some images, in place; weights 3×B×1×1 as `_weights` gives them."""
    if not len(pixels):
        return
    red, green, blue = pixels.unbind(1)
    of_image, of_sum, of_grey = weights
    grey = torch.add(red, green, alpha=GREEN / RED).add_(blue, alpha=BLUE / RED)
    total = grey.sum((1, 2), keepdim=True)
    reference = grey.mul_(of_grey).add_(total.mul_(of_sum))
    torch.addcmul(reference[:, None], pixels, of_image[:, None], out=pixels).clamp_(0, 1)


def shift_hue(pixels: Tensor, shift: Tensor) -> None:
    """Turn the hue of RGB images in place, keeping HSV's saturation and value.

    With the chroma C = max − min and each colour scaled to [0, 1] by r' = (r − min)/C, the hue in sixths of a turn is
    ±(1 − r' + g' + b'), negative where blue exceeds green: the usual three cases in one, without a comparison.

    Args:
        pixels: float, B×3×H×W, in [0, 1].
        shift: B×1×1, sixths of the colour circle.
    """
    red, green, blue = pixels.unbind(1)
    value, lowest = torch.maximum(red, green), torch.minimum(red, green)
    torch.maximum(value, blue, out=value)
    torch.minimum(lowest, blue, out=lowest)
    chroma = value - lowest
    hue = (green - red).add_(blue).sub_(lowest)
    hue.div_(chroma.clamp(min=1e-6))  # grey pixels have no hue; their chroma of 0 makes it irrelevant
    hue.add_(1).copysign_(green - blue).add_(shift)
    hue.sub_((hue * (1 / 6)).floor_(), alpha=6)  # into [0, 6): 0 red, 2 green, 4 blue
    # Red rises from the lowest value with the hue's distance from cyan; green and blue fall from the highest with its
    # distance from their own hue.
    torch.addcmul(lowest, (hue - 3).abs_().sub_(1).clamp_(0, 1), chroma, out=red)
    torch.addcmul(value, (hue - 2).abs_().sub_(1).clamp_(0, 1), chroma, value=-1, out=green)
    torch.addcmul(value, (hue - 4).abs_().sub_(1).clamp_(0, 1), chroma, value=-1, out=blue)
