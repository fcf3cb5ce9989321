"""RandAugment, AutoAugment, TrivialAugment and AugMix do to each image what torchvision does with the same samples."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from tinyres.augmentation.policies import (
    AUTOAUGMENT_CIFAR10,
    LEVELS,
    MODERATE,
    NAMES,
    OF_AUGMIX,
    POLICIES,
    WIDE,
    PolicySamples,
    PreparedPolicy,
    Ranges,
    settings_of,
)
from tinyres.augmentation.policy_operations import OPERATIONS
from tinyres.params import OnlineAugmentation

THEIR_NAME = dict(zip(NAMES, [
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
    "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert",
], strict=True))  # fmt: skip
FACTORS = ["brightness", "color", "contrast", "sharpness"]
MOVES = ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"]
TIED = ["shear_x", "shear_y", "rotate", "color", "contrast", "sharpness"]  # the last bit may decide over a byte
EXACT = [name for name in OPERATIONS if name not in TIED]
SPACES = {
    "randaugment": (v2.RandAugment._AUGMENTATION_SPACE, MODERATE, LEVELS + 1),
    "autoaugment": (v2.AutoAugment._AUGMENTATION_SPACE, MODERATE, 10),
    "trivialaugment": (v2.TrivialAugmentWide._AUGMENTATION_SPACE, WIDE, LEVELS + 1),
    "augmix": (v2.AugMix._AUGMENTATION_SPACE, OF_AUGMIX, 10),
}
NOTHING = {"crop_padding": 0, "flip": 0, "rotation": 0, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0,
           "policy": None, "operations": 2, "magnitude": 9, "erasing": 0, "mixup": 0, "cutmix": 0}  # fmt: skip

CPU = torch.device("cpu")


def photographs(count: int, height: int = 32, width: int = 32) -> Tensor:
    """Images with smooth and sharp parts and flat corners, of differing contrast, uint8 N×3×H×W."""
    generator = torch.Generator().manual_seed(count)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = torch.rand(count, 3, height, width, generator=generator)
    low, high = torch.rand(count, 3, 1, 1, generator=generator) * 100, 255
    images = low + (0.8 * smooth + 0.2 * noise) * (high - low)
    images[:, :, :3, :3], images[:, :, -3:, -3:] = 0, 128
    return images.round().to(torch.uint8)


def ours(images: Tensor, operation: Tensor, level: Tensor, ranges: Ranges) -> Tensor:
    """All turns of a chain (N×T) on one batch."""
    bounds = [(0, len(images))]
    prepared = PreparedPolicy(
        PolicySamples(operation[:, None], level[:, None], ranges), bounds, (images.shape[2], images.shape[3]), CPU
    )
    return prepared.apply(images.clone(), 0)


def theirs(image: Tensor, name: str, magnitude: float) -> Tensor:
    """torchvision's own table of operations; black fill."""
    table = v2.RandAugment(fill=0)
    return table._apply_image_or_video_transform(
        image, THEIR_NAME[name], magnitude, InterpolationMode.NEAREST, {torch.Tensor: 0}
    )


def assert_equal_but_for_ties(got: Tensor, image: Tensor, name: str, magnitude: float, hair: float = 1e-4) -> None:
    """What torchvision makes of the image, or either neighbour of it where the last bit of a float decides.

    That is halfway between two pixels, and where a blend, the sum of two products, is a whole number: whether the first
    product is rounded differs between processors. A hair to either side, nothing is in doubt.
    """
    same = (got == theirs(image, name, magnitude)).all(dim=0)
    if not same.all():
        near = [theirs(image, name, magnitude * factor) for factor in (1 - hair, 1 + hair)]
        doubtful = (near[0] != near[1]).any(dim=0)
        assert (same | doubtful).all(), (magnitude, (~same & ~doubtful).sum())


def their_magnitude(space: dict, name: str, bins: int, place: int, sign: float, height: int, width: int) -> float:
    magnitudes, signed = space[THEIR_NAME[name]]
    values = magnitudes(bins, height, width)
    if values is None:
        return 0.0
    return float(values[place]) * (sign if signed else 1)


@pytest.mark.parametrize(
    ("policy", "name"),
    [(policy, name) for policy, (space, _, _) in SPACES.items() for name in NAMES
     if name not in MOVES and THEIR_NAME[name] in space],
)  # fmt: skip
def test_every_colour_operation_at_every_level_equals_torchvision(policy, name):
    space, ranges, bins = SPACES[policy]
    cases = [(place, sign) for place in range(bins) for sign in (-1, 1)]
    images = photographs(len(cases))
    level = torch.tensor([sign * place / (bins - 1) for place, sign in cases])
    got = ours(images, torch.full((len(cases), 1), NAMES.index(name)), level[:, None], ranges)
    for image, result, (place, sign), one_level in zip(images, got, cases, level, strict=True):
        magnitude = their_magnitude(space, name, bins, place, sign, 32, 32)
        if name in FACTORS:  # where a product is a whole number, the last bit of the factor decides
            assert factor_of(name, one_level, ranges) == pytest.approx(magnitude, rel=1e-6)
            magnitude = factor_of(name, one_level, ranges)
        if name == "solarize":  # of their thresholds in float32, three of 31 lie a hair above a whole number
            magnitude = round(255 * magnitude, 3) / 255
        if name in TIED:
            assert_equal_but_for_ties(result, image, name, magnitude)
        else:
            assert torch.equal(result, theirs(image, name, magnitude)), (place, sign)


@pytest.mark.parametrize("policy", SPACES)
@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 33)])
def test_every_move_at_every_level_equals_torchvision_but_for_ties(policy, name, height, width):
    space, ranges, bins = SPACES[policy]
    cases = [(place, sign) for place in range(bins) for sign in (-1, 1)]
    images = photographs(len(cases), height, width)
    levels = torch.tensor([sign * place / (bins - 1) for place, sign in cases])
    got = ours(images, torch.full((len(cases), 1), NAMES.index(name)), levels[:, None], ranges)
    for image, result, (place, sign) in zip(images, got, cases, strict=True):
        magnitude = their_magnitude(space, name, bins, place, sign, height, width)
        assert_equal_but_for_ties(result, image, name, magnitude, hair=1e-5)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(EXACT), st.integers(-30, 30)), min_size=12, max_size=12),
             min_size=1, max_size=3),
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.integers(3, 40),
    st.integers(3, 40),
    st.sampled_from([MODERATE, WIDE]),
)  # fmt: skip
def test_any_operations_turn_by_turn_in_any_batches_equal_torchvision(turns, batch_sizes, height, width, ranges):
    """The runs of each operation, their order within a batch, and the way back; of operations without ties, which turns
    that follow would carry on."""
    count = min(sum(batch_sizes), 12)
    edges = [min(sum(batch_sizes[:number]), count) for number in range(len(batch_sizes) + 1)]
    bounds = [(start, stop) for start, stop in pairwise(edges) if start < stop]
    operation = torch.tensor([[NAMES.index(turn[row][0]) for turn in turns] for row in range(count)])
    level = torch.tensor([[turn[row][1] / 30 for turn in turns] for row in range(count)])
    images = photographs(count, height, width)
    prepared = PreparedPolicy(PolicySamples(operation[:, None], level[:, None], ranges), bounds, (height, width), CPU)
    got = torch.cat([prepared.apply(images[start:stop], batch) for batch, (start, stop) in enumerate(bounds)])
    for row in range(count):
        expected = images[row]
        for turn, (name, place) in enumerate(chosen[row] for chosen in turns):
            expected = theirs(expected, name, amount(name, level[row, turn], place, ranges, height, width))
        assert torch.equal(got[row], expected)


def amount(name: str, level: Tensor, place: int, ranges: Ranges, height: int, width: int) -> float:
    """The magnitude that torchvision's operation takes."""
    if name in FACTORS:
        return factor_of(name, level, ranges)
    if name.startswith("translate"):
        return place / 30 * ranges.translation(width if name == "translate_x" else height)
    if name == "posterize":
        return round(8 - abs(place) / 30 * ranges.dropped_bits[1])
    return 1 - abs(place) / 30


def factor_of(name: str, level: Tensor, ranges: Ranges) -> float:
    return settings_of(torch.tensor([NAMES.index(name)]), level[None], ranges, 32, 32).strength.item()


@settings(max_examples=60)
@given(st.sampled_from(MOVES), st.floats(-1, 1), st.integers(3, 40), st.sampled_from([MODERATE, WIDE]))
def test_moves_by_any_amount_equal_torchvision_but_for_ties(name, level, size, ranges):
    image = photographs(1, size, size)[0]
    at_one = {"shear": ranges.shear, "translate": ranges.translation(size), "rotate": ranges.rotation}
    magnitude = level * at_one[name.split("_")[0]]
    operation, levels = torch.tensor([[NAMES.index(name)]]), torch.tensor([[level]], dtype=torch.float64)
    assert_equal_but_for_ties(ours(image[None], operation, levels, ranges)[0], image, name, magnitude)


def test_the_pairs_of_autoaugment_are_torchvisions():
    expected = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)._policies
    ours = [tuple((THEIR_NAME[name], share, level) for name, share, level in pair) for pair in AUTOAUGMENT_CIFAR10]
    assert ours == [tuple((name, share, level or 0) for name, share, level in pair) for pair in expected]


def drawn(policy: str, count: int = 50_000, **changes: float) -> PolicySamples:
    params = OnlineAugmentation(**NOTHING | {"policy": policy} | changes)
    return POLICIES[policy](params, count, torch.Generator().manual_seed(0))


def test_randaugment_draws_each_operation_evenly_at_one_level_with_either_sign():
    samples = drawn("randaugment", operations=3, magnitude=12)
    assert samples.operation.shape == (50_000, 1, 3)
    share = samples.operation.flatten().bincount(minlength=15) / samples.operation.numel()
    assert share[-1] == 0
    assert (share[:-1] - 1 / 14).abs().max() < 0.004
    assert samples.level.unique().tolist() == pytest.approx([-12 / 30, 12 / 30])
    assert abs((samples.level > 0).float().mean() - 0.5) < 0.01
    assert len({tuple(row) for (row,) in samples.operation.tolist()}) == 14**3


def test_trivialaugment_draws_one_operation_and_every_level():
    samples = drawn("trivialaugment")
    assert samples.operation.shape == (50_000, 1, 1)
    share = samples.operation.flatten().bincount(minlength=15) / 50_000
    assert (share[:-1] - 1 / 14).abs().max() < 0.006
    places = (samples.level.flatten().abs() * 30).round().long().bincount(minlength=31) / 50_000
    assert (places - 1 / 31).abs().max() < 0.004


def test_autoaugment_draws_each_pair_evenly_and_each_operation_with_its_probability():
    samples = drawn("autoaugment", 200_000)
    expected = torch.zeros(2, 15)
    for pair in AUTOAUGMENT_CIFAR10:
        for turn, (name, share, _) in enumerate(pair):
            expected[turn, NAMES.index(name)] += share / 25
            expected[turn, 0] += (1 - share) / 25
    got = torch.stack([samples.operation[:, 0, turn].bincount(minlength=15) for turn in range(2)]) / 200_000
    assert (got - expected).abs().max() < 0.005
    sharpness = samples.level[:, 0, 1][samples.operation[:, 0, 1] == NAMES.index("sharpness")].abs().unique()
    assert sharpness.tolist() == pytest.approx([3 / 9, 5 / 9, 6 / 9])


def test_augmix_draws_three_chains_of_one_to_three_light_operations():
    samples = drawn("augmix")
    assert samples.operation.shape == (50_000, 3, 3)
    length = (samples.operation > 0).sum(dim=2)
    assert (samples.operation.sort(dim=2, descending=True).values > 0).sum(dim=2).equal(length)
    assert (samples.operation[..., 0] > 0).all(), "the shortest chain has its operation first"
    assert (length.flatten().bincount() / length.numel())[1:].tolist() == pytest.approx([1 / 3] * 3, abs=0.005)
    share = samples.operation[samples.operation > 0].bincount(minlength=15) / (samples.operation > 0).sum()
    assert share[-1] == 0
    assert (share[1:-1] - 1 / 13).abs().max() < 0.004
    assert samples.level.abs().unique().tolist() == pytest.approx([0, 1 / 9, 2 / 9])


def test_the_shares_of_augmix_are_dirichlets():
    """Moments of Beta(1, 1) and, of the rest, of Dirichlet(1, 1, 1)."""
    shares = drawn("augmix", 200_000).shares
    assert shares.shape == (200_000, 4)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(200_000))
    unmixed, of_chains = shares[:, 0], shares[:, 1:] / shares[:, 1:].sum(dim=1, keepdim=True)
    assert (unmixed.mean().item(), unmixed.var().item()) == pytest.approx((1 / 2, 1 / 12), abs=0.003)
    assert of_chains.mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=0.003)
    assert of_chains.var(dim=0).tolist() == pytest.approx([1 / 18] * 3, abs=0.001)
    together = torch.corrcoef(torch.cat([unmixed[None], of_chains.T]))
    assert together[0, 1:].abs().max() < 0.01, "what stays of the image says nothing about the chains"


@settings(max_examples=40)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=3), st.integers(0, 2**32), st.integers(3, 40))
def test_augmix_is_torchvisions_mixture_of_what_its_chains_make_of_each_image(batch_sizes, seed, size):
    edges = [sum(batch_sizes[:number]) for number in range(len(batch_sizes) + 1)]
    count, bounds = edges[-1], list(pairwise(edges))
    params = OnlineAugmentation(**NOTHING | {"policy": "augmix"})
    samples = POLICIES["augmix"](params, count, torch.Generator().manual_seed(seed))
    images = photographs(count, size, size)
    prepared = PreparedPolicy(samples, bounds, (size, size), CPU)
    got = torch.cat([prepared.apply(images[start:stop], batch) for batch, (start, stop) in enumerate(bounds)])
    chains = [
        ours(images, operation, level, OF_AUGMIX)
        for operation, level in zip(samples.operation.unbind(1), samples.level.unbind(1), strict=True)
    ]
    mixture = sum(
        share[:, None, None, None] * each.double()
        for share, each in zip(samples.shares.double().unbind(1), [images, *chains], strict=True)
    )
    assert (got - mixture).abs().max() <= 0.5 + 1e-4  # rounded, where torchvision cuts off
    assert torch.equal(images, photographs(count, size, size)), "the images themselves are as they were"


def test_level_0_of_what_has_a_strength_changes_nothing():
    for name in [*MOVES, "brightness", "color", "contrast", "sharpness", "posterize"]:
        images = photographs(4)
        number = torch.full((4, 1), NAMES.index(name))
        assert torch.equal(ours(images, number, torch.zeros(4, 1), WIDE), images), name


def test_flat_and_tiny_images_survive_every_operation():
    for images in (torch.full((15, 3, 8, 8), 77, dtype=torch.uint8), photographs(15, 2, 2), photographs(15, 1, 5)):
        got = ours(images, torch.arange(15)[:, None], torch.full((15, 1), 0.5), WIDE)
        for name, image, result in zip(NAMES, images, got, strict=True):
            if name in ("autocontrast", "equalize", "invert", "sharpness"):
                assert torch.equal(result, theirs(image, name, 0.495)), name


def test_settings_say_one_thing_each():
    operation = torch.arange(15)
    settings = settings_of(operation, torch.full((15,), 0.5), WIDE, 32, 32)
    unmoved = torch.tensor([[1, 0, 15.5], [0, 1, 15.5]])
    moved = [NAMES[row] for row in operation if not torch.allclose(settings.source[row], unmoved)]
    assert moved == MOVES
    strengths = {NAMES[row]: float(settings.strength[row]) for row in operation if settings.strength[row] != 0}
    assert strengths == pytest.approx({"brightness": 0.495, "color": 0.495, "contrast": 0.495, "sharpness": 0.495,
                                       "posterize": 248, "solarize": 128})  # fmt: skip
    assert math.isclose(settings.source[5, 0, 0], math.cos(math.radians(67.5)), rel_tol=1e-6)
