"""The batched augmentation does, image by image, what torchvision does with the same drawn parameters."""

import math

import pytest
import torch
import torchvision.transforms.v2.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import InterpolationMode

from tinyres.augmentation.online import BRIGHTNESS, CONTRAST, HUE, SATURATION, BatchAugmentation, Samples, sample
from tinyres.params import OnlineAugmentation

PAPER = {
    "crop_padding": 4,
    "flip": 0.5,
    "rotation": 15,
    "brightness": 0.2,
    "contrast": 0.2,
    "saturation": 0.2,
    "hue": 0.1,
}
NOTHING = dict.fromkeys(PAPER, 0) | {
    "policy": None,
    "operations": 2,
    "magnitude": 9,
    "erasing": 0,
    "mixup": 0,
    "cutmix": 0,
}
CPU = torch.device("cpu")


def policy(**changes: float) -> OnlineAugmentation:
    return OnlineAugmentation(**(NOTHING | changes))


def photographs(count: int, size: int = 32) -> Tensor:
    """Images with smooth and sharp parts, all of them colourful, uint8 N×3×H×W."""
    generator = torch.Generator().manual_seed(count * 1000 + size)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    noise = torch.rand(count, 3, size, size, generator=generator)
    images = (0.8 * smooth + 0.2 * noise).mul(255).round()
    images[:, :, :4, :4] = 0  # black and grey corners: no hue, ties between channels
    images[:, :, -4:, -4:] = 128
    images[:, 0, 8:10], images[:, 1:, 8:10] = 255, 0  # pure red
    return images.to(torch.uint8)


def augmented(chosen: OnlineAugmentation, images: Tensor, samples: Samples) -> Tensor:
    """Our result in the images' order, as float 0…255."""
    bounds = [(0, len(images))]
    augmentation = BatchAugmentation(chosen, images.shape[2], images.shape[3], 10, CPU)
    labels = torch.zeros(len(images), dtype=torch.int64)
    prepared = augmentation.prepare(samples, bounds)
    pixels, _ = augmentation(images[prepared.order], labels, prepared, batch=0)
    result = torch.empty(images.shape)
    result[prepared.order] = pixels * 255
    return result


def torchvision_geometry(image: Tensor, samples: Samples, row: int, padding: int) -> Tensor:
    size = image.shape[-1]
    image = TF.pad(image, [padding] * 4)
    image = TF.crop(image, int(samples.top[row]), int(samples.left[row]), size, size)
    if samples.flip[row] < 0:
        image = TF.horizontal_flip(image)
    return TF.rotate(image, math.degrees(samples.angle[row]), InterpolationMode.NEAREST, fill=[0.0])


def test_crop_and_flip_equal_torchvision_to_the_bit():
    images, chosen = photographs(64), policy(crop_padding=4, flip=0.5)
    samples = sample(chosen, 64, torch.Generator().manual_seed(0))
    ours = augmented(chosen, images, samples).round().to(torch.uint8)
    theirs = torch.stack([torchvision_geometry(image, samples, row, 4) for row, image in enumerate(images)])
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [8, 31, 32])
def test_rotation_equals_torchvision_but_for_ties(size: int):
    images, chosen = photographs(256, size), policy(crop_padding=4, flip=0.5, rotation=180)
    samples = sample(chosen, 256, torch.Generator().manual_seed(1))
    ours = augmented(chosen, images, samples).round().to(torch.uint8)
    theirs = torch.stack([torchvision_geometry(image, samples, row, 4) for row, image in enumerate(images)])
    assert (ours != theirs).any(dim=1).float().mean() <= 0.005


@pytest.mark.parametrize(
    ("name", "operation", "theirs"),
    [
        ("brightness", BRIGHTNESS, TF.adjust_brightness),
        ("contrast", CONTRAST, TF.adjust_contrast),
        ("saturation", SATURATION, TF.adjust_saturation),
        ("hue", HUE, TF.adjust_hue),
    ],
)
def test_each_colour_change_stays_within_two_levels_of_torchvision(name, operation, theirs):
    images, chosen = photographs(128), policy(**{name: 0.5})
    samples = sample(chosen, 128, torch.Generator().manual_seed(2))
    ours = augmented(chosen, images, samples)
    expected = torch.stack(
        [theirs(image, float(samples.factors[row, operation])) for row, image in enumerate(images)]
    ).float()
    assert (ours - expected).abs().max() <= 2


def test_colour_changes_come_in_each_images_own_order():
    images, chosen = photographs(256), policy(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.3)
    samples = sample(chosen, 256, torch.Generator().manual_seed(3))
    ours = augmented(chosen, images, samples)
    functions = [TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue]
    for row, image in enumerate(images):
        expected = image.float() / 255  # float: no rounding between the four
        for operation in samples.order[row].tolist():
            expected = functions[operation](expected, float(samples.factors[row, operation]))
        assert (ours[row] - expected * 255).abs().max() <= 2
    assert len({tuple(order) for order in samples.order.tolist()}) == 24


def test_nothing_asked_for_leaves_the_images_alone():
    images, chosen = photographs(8), policy()
    samples = sample(chosen, 8, torch.Generator().manual_seed(0))
    assert torch.equal(augmented(chosen, images, samples), (images / 255) * 255)


def test_parameters_differ_within_a_batch():
    chosen = policy(**PAPER)
    samples = sample(chosen, 64, torch.Generator().manual_seed(0))
    assert len(samples.angle.unique()) == 64
    assert len(samples.flip.unique()) == 2
    assert len(samples.top.unique()) == len(samples.left.unique()) == 9
    assert all(len(samples.factors[:, column].unique()) == 64 for column in range(4))


def test_parameters_have_the_declared_distribution():
    count = 100_000
    samples = sample(policy(**PAPER), count, torch.Generator().manual_seed(0))

    def is_uniform(values: Tensor, low: float, high: float) -> bool:
        """Kolmogorov–Smirnov at the 0.1 % level."""
        expected = (values.double().sort().values - low) / (high - low)
        distance = (expected - torch.arange(1, count + 1) / count).abs().max()
        return bool(distance < 1.95 / math.sqrt(count))

    assert is_uniform(samples.angle.rad2deg(), -15, 15)
    assert is_uniform(samples.factors[:, HUE], -0.1, 0.1)
    assert all(is_uniform(samples.factors[:, column], 0.8, 1.2) for column in (BRIGHTNESS, CONTRAST, SATURATION))
    share = samples.top.long().bincount(minlength=9) / count
    assert (share - 1 / 9).abs().max() < 0.005
    assert abs((samples.flip < 0).float().mean() - 0.5) < 0.01
    orders = torch.unique(samples.order, dim=0, return_counts=True)[1] / count
    assert len(orders) == 24
    assert (orders - 1 / 24).abs().max() < 0.004


@settings(max_examples=50)
@given(
    st.fixed_dictionaries(
        {
            "crop_padding": st.integers(0, 8),
            "flip": st.floats(0, 1),
            "rotation": st.floats(0, 180),
            "brightness": st.floats(0, 2),
            "contrast": st.floats(0, 2),
            "saturation": st.floats(0, 2),
            "hue": st.floats(0, 0.5),
        }
    ),
    st.integers(1, 9),
    st.integers(2, 40),
)
def test_any_policy_gives_finite_pixels_in_range(settings_, count, size):
    chosen = policy(**settings_)
    images = photographs(count, size) if size > 10 else torch.full((count, 3, size, size), 200, dtype=torch.uint8)
    samples = sample(chosen, count, torch.Generator().manual_seed(0))
    result = augmented(chosen, images, samples)
    assert result.shape == images.shape
    assert result.isfinite().all()
    assert result.min() >= -1e-3
    assert result.max() <= 255 + 1e-3
