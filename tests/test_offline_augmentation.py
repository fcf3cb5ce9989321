"""Offline pipelines: what each operation does and within which bounds, and how copies are made of them."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from tinyres.common.dataset import Images, Split, read_split, write_split
from tinyres.common.errors import UserError
from tinyres.copies import noise, pipelines
from tinyres.copies.noise import UPSCALING, fitted, noise_layers, noise_masks, spectral_noise, upscaled
from tinyres.copies.operations import (
    add_to_hue,
    add_to_saturation,
    add_to_value,
    channel_shuffle,
    coarse_dropout,
    contrast,
    flip,
    frequency_noise_alpha,
    gaussian_blur,
    multiply,
    sequential,
    sharpen,
    sometimes,
)
from tinyres.copies.pipelines import PIPELINES, copies_of

HUE, SATURATION, VALUE = range(3)  # channels of OpenCV's HSV
REPORT = ["report_flip_blur", "report_hsv", "report_dropout_sharpen", "report_noise_blend"]
OPERATIONS = {
    "flip": flip,
    "channel_shuffle": channel_shuffle,
    "gaussian_blur": gaussian_blur((0, 1)),
    "sharpen": sharpen((0, 1), (0.75, 1.5)),
    "add_to_hue": add_to_hue((-50, 50)),
    "coarse_dropout": coarse_dropout((0.1, 0.3), (0.02, 0.05)),
    "multiply": multiply((0.5, 1.5), per_channel=0.5),
    "contrast": contrast((0.5, 1.5)),
    "frequency_noise_alpha": frequency_noise_alpha((-4, 0), multiply((0.5, 1.5)), contrast((0.5, 2))),
    "sometimes": sometimes(0.5, flip),
    "sequential": sequential(flip, contrast((0.5, 1.5))),
} | PIPELINES


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noisy(count: int, height: int = 32, width: int = 32) -> Images:
    return rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def flat(count: int, colour: int | tuple[int, int, int], size: int = 8) -> Images:
    return np.full((count, size, size, 3), colour, np.uint8)


def split_of(count: int) -> Split:
    return Split(noisy(count), np.arange(count, dtype=np.int64))


# Every operation


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=15)
@given(count=st.integers(1, 9), height=st.integers(4, 40), width=st.integers(4, 40), seed=st.integers(0, 2**32 - 1))
def test_any_batch_gives_as_many_bytes_and_stays_as_it_was(name, count, height, width, seed):
    images = noisy(count, height, width)
    before = images.copy()
    images.flags.writeable = False
    result = OPERATIONS[name](images, rng(seed))
    assert result.dtype == np.uint8
    assert result.shape == images.shape
    assert not np.shares_memory(result, images)
    assert np.array_equal(images, before)
    assert np.array_equal(result, OPERATIONS[name](images, rng(seed)))


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"flip", "sequential"}))
def test_another_seed_gives_other_images(name):
    images = noisy(20)
    assert not np.array_equal(OPERATIONS[name](images, rng(0)), OPERATIONS[name](images, rng(1)))


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"flip"}))
def test_parameters_differ_from_image_to_image(name):
    images = np.repeat(noisy(1), 40, axis=0)
    assert len(np.unique(OPERATIONS[name](images, rng()), axis=0)) > 1


# Each operation


def test_flip_mirrors_left_and_right():
    images = noisy(3, 5, 7)
    result = flip(images, rng())
    assert all(np.array_equal(result[:, :, x], images[:, :, 6 - x]) for x in range(7))


def test_channel_shuffle_gives_all_six_orders_equally_often():
    result = channel_shuffle(flat(60_000, (10, 20, 30), size=1), rng())
    orders, counts = np.unique(result[:, 0, 0], axis=0, return_counts=True)
    assert len(orders) == 6
    assert all(sorted(order) == [10, 20, 30] for order in orders.tolist())
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("probability", [0, 0.125, 0.5, 1])
def test_sometimes_changes_that_share_of_the_images_and_leaves_the_rest_alone(probability):
    images = np.arange(20_000 * 4 * 3).astype(np.uint8).reshape(-1, 1, 4, 3)
    result = sometimes(probability, flip)(images, rng())
    changed = (result != images).any((1, 2, 3))
    assert np.array_equal(result[changed], images[changed, :, ::-1])
    assert abs(changed.mean() - probability) < 0.012


def test_sometimes_within_sometimes_multiplies_the_probabilities():
    images = np.arange(20_000 * 4 * 3).astype(np.uint8).reshape(-1, 1, 4, 3)
    result = sometimes(0.5, sometimes(0.5, flip))(images, rng())
    assert abs((result != images).any((1, 2, 3)).mean() - 0.25) < 0.012


def test_sequential_keeps_the_order():
    doubled_then_darker = sequential(multiply((2, 2)), multiply((0.5, 0.5)))
    assert (doubled_then_darker(flat(1, 200), rng()) == 127).all()  # 255 / 2: clipped in between


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.8, 1.0])
def test_gaussian_blur_is_scipys_with_a_5_by_5_kernel(sigma):
    images = noisy(20)
    expected = ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma, 0), mode="mirror", radius=(0, 2, 2, 0))
    # OpenCV's kernel for bytes has 8 binary places.
    assert np.abs(gaussian_blur((sigma, sigma))(images, rng()) - expected).max() <= 2


def test_gaussian_blur_of_sigma_0_changes_nothing():
    images = noisy(5)
    assert np.array_equal(gaussian_blur((0, 0))(images, rng()), images)


def test_gaussian_blur_samples_sigma_from_its_whole_range():
    points = flat(2_000, 0, size=9)
    points[:, 4, 4] = 255
    peaks = gaussian_blur((0, 1))(points, rng())[:, 4, 4, 0].astype(int)
    weight_at_1 = 1 / (1 + 2 * np.exp(-0.5) + 2 * np.exp(-2))
    assert peaks.max() == 255
    assert peaks.min() == pytest.approx(255 * weight_at_1**2, abs=1)


@pytest.mark.parametrize(("alpha", "lightness"), [(0, 1), (0.3, 0.75), (1, 1.5), (1, 0.75)])
def test_sharpen_is_its_kernel_and_clips(alpha, lightness):
    images = noisy(20)
    kernel = np.full((3, 3), -float(alpha))
    kernel[1, 1] = 1 - alpha + alpha * (8 + lightness)
    expected = ndimage.correlate(images.astype(float), kernel[None, :, :, None], mode="mirror").clip(0, 255)
    result = sharpen((alpha, alpha), (lightness, lightness))(images, rng())
    assert np.abs(result - expected).max() <= 1
    assert alpha == 0 or {0, 255} <= set(result.ravel().tolist())


def test_sharpen_samples_alpha_and_lightness_from_their_whole_ranges():
    values = sharpen((0, 1), (0.75, 1.5))(flat(20_000, 100), rng())[:, 0, 0, 0].astype(int)
    assert values.min() == pytest.approx(75, abs=1)  # at alpha 1, a flat area is multiplied by the lightness
    assert values.max() == pytest.approx(150, abs=1)
    assert values.mean() == pytest.approx(100 * (1 + 0.5 * (1.125 - 1)), abs=0.5)


def hsv_of(images: Images) -> np.ndarray:
    return cv2.cvtColor(images.reshape(-1, 1, 3), cv2.COLOR_RGB2HSV).reshape(images.shape).astype(int)


def from_hsv(hue: int, saturation: int, value: int) -> Images:
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB).reshape(1, 1, 1, 3).repeat(4, 1).repeat(4, 2)


@given(hue=st.integers(0, 179), amount=st.integers(-100, 200))
def test_hue_wraps_above_179_and_is_clipped_at_0_and_at_255(hue, amount):
    result = hsv_of(add_to_hue((amount, amount))(from_hsv(hue, 255, 255), rng()))
    distance = (result[..., HUE] - np.clip(hue + amount, 0, 255) + 90) % 180 - 90
    assert np.abs(distance).max() <= 1  # degrees / 2 lost in the way to RGB and back
    assert (result[..., SATURATION:] == 255).all()


@given(saturation=st.integers(0, 255), amount=st.integers(-255, 255))
def test_saturation_is_clipped(saturation, amount):
    result = hsv_of(add_to_saturation((amount, amount))(from_hsv(30, saturation, 255), rng()))
    assert np.abs(result[..., SATURATION] - np.clip(saturation + amount, 0, 255)).max() <= 1
    assert (result[..., VALUE] == 255).all()


@given(value=st.integers(0, 255), amount=st.integers(-255, 255))
def test_value_is_clipped(value, amount):
    result = add_to_value((amount, amount))(from_hsv(90, 128, value), rng())
    assert (result.max(3) == np.clip(value + amount, 0, 255)).all()


def test_dropout_blackens_whole_cells_of_a_3_by_3_grid_and_nothing_else():
    images = noisy(500).clip(1)
    result = coarse_dropout((0.1, 0.3), (0.02, 0.05))(images, rng())
    edges = [0, 11, 22, 32]
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            cells, originals = result[:, top:bottom, left:right], images[:, top:bottom, left:right]
            black = (cells == 0).all((1, 2, 3))
            assert 0 < black.mean() < 1
            assert np.array_equal(cells[~black], originals[~black])


def test_dropouts_share_is_sampled_per_image_and_then_every_cell_alone():
    result = coarse_dropout((0.1, 0.3), (0.02, 0.05))(flat(50_000, 255, size=3), rng())
    dropped = np.bincount((result[..., 0] == 0).sum((1, 2)), minlength=10)
    shares = np.linspace(0.1, 0.3, 1001)
    expected = stats.binom.pmf(np.arange(10)[:, None], 9, shares).mean(1) * 50_000
    rare = 7  # cells; the test wants more than a handful of images in each bin
    dropped, expected = (np.append(counts[:rare], counts[rare:].sum()) for counts in (dropped, expected))
    assert stats.chisquare(dropped, expected).pvalue > 1e-3


def test_dropouts_grid_grows_with_the_image_along_each_side():
    result = coarse_dropout((0.5, 0.5), (0.02, 0.05))(np.full((100, 300, 100, 3), 255, np.uint8), rng())
    black = result[..., 0] == 0
    row_cells = (black[:, 1:] != black[:, :-1]).any(2).sum(1) + 1  # fewer where neighbouring rows are alike
    column_cells = (black[:, :, 1:] != black[:, :, :-1]).any(1).sum(1) + 1
    assert row_cells.max() == 14  # below 5 % of 300
    assert column_cells.max() == 4  # below 5 % of 100; 2 % alone would give 2, but there are at least 3
    assert column_cells.min() == 3


@given(value=st.integers(0, 255), factor=st.floats(0, 3, width=32))
def test_multiply_clips(value, factor):
    result = multiply((factor, factor))(flat(1, value, size=1), rng())
    assert (result == int(min(np.float32(value) * np.float32(factor), 255))).all()


@pytest.mark.parametrize("per_channel", [0, 0.5, 1])
def test_multiply_samples_a_factor_per_image_or_per_channel(per_channel):
    values = multiply((0.5, 1.5), per_channel)(flat(20_000, 160, size=1), rng())[:, 0, 0].astype(int)
    differ = (values != values[:, :1]).any(1)
    assert abs(differ.mean() - per_channel) < 0.012
    assert values.min() == 80
    assert values.max() == 239
    assert stats.kstest(values[:, 1] + rng().random(20_000), stats.uniform(80, 160).cdf).pvalue > 1e-3


@given(value=st.integers(0, 255), factor=st.floats(0, 3, width=32))
def test_contrast_moves_values_away_from_127_and_clips(value, factor):
    result = contrast((factor, factor))(flat(1, value, size=1), rng())
    expected = np.clip((np.float32(value) - 127) * np.float32(factor) + 127, 0, 255)
    assert (result == int(expected)).all()


def test_contrast_samples_one_factor_for_all_channels_from_its_whole_range():
    values = contrast((0.5, 1.5))(flat(20_000, 227, size=1), rng())[:, 0, 0].astype(int)
    assert (values == values[:, :1]).all()
    assert values.min() == 177
    assert values.max() == 255
    assert abs((values == 255).mean() - (1.5 - 1.28)) < 0.012  # 127 + 100 f is clipped from f = 1.28


# Frequency noise


def white(images: Images, generator: np.random.Generator) -> Images:
    return np.full_like(images, 255)


def black(images: Images, generator: np.random.Generator) -> Images:
    return np.zeros_like(images)


def test_the_first_operation_shows_where_the_mask_is_1_and_the_second_where_it_is_0():
    images, masks = noisy(50), noise_masks(50, 32, 32, (-4, 0), rng())
    blended = (masks.max((1, 2)) > 0.01) & (masks.min((1, 2)) < 0.99)  # the others are one of the two
    assert 40 < blended.sum() < 50
    shown = frequency_noise_alpha((-4, 0), first=white, second=black)(images, rng())
    assert np.array_equal(shown[blended], np.rint(255 * masks[blended])[..., None].repeat(3, 3))
    assert set(shown[~blended].ravel().tolist()) <= {0, 255}
    shown = frequency_noise_alpha((-4, 0), first=black, second=white)(images, rng())
    assert np.array_equal(shown[blended], np.rint(255 - 255 * masks[blended])[..., None].repeat(3, 3))


@settings(max_examples=30)
@given(count=st.integers(1, 6), height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_masks_of_any_size_lie_between_0_and_1(count, height, width, seed):
    masks = noise_masks(count, height, width, (-4, 0), rng(seed))
    assert masks.shape == (count, height, width)
    assert masks.min() >= 0  # fails for NaN too
    assert masks.max() <= 1


def noise_of(count: int, height: int, width: int, exponent: float) -> np.ndarray:
    return spectral_noise(*rng().random((2, count, height, width)), np.full(count, exponent))


@pytest.mark.parametrize("exponent", [-4, -3, -2, -1, 0])
@pytest.mark.parametrize("size", [16, 15])
def test_the_amplitude_of_noise_is_that_power_of_the_frequency(exponent, size):
    layers = noise_of(2_000, size, size, float(exponent))
    layers = layers / layers.std((1, 2), keepdims=True)
    amplitude = np.abs(np.fft.fft2(layers)).mean(0)
    frequency = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.fftfreq(size, 1 / size))
    # Where a frequency is its own mirror image, the amplitude has another distribution.
    index = np.arange(size)
    own_mirror = (index[:, None] * 2 % size == 0) & (index * 2 % size == 0)
    slope = np.polyfit(np.log(frequency[~own_mirror]), np.log(amplitude[~own_mirror]), 1)[0]
    assert slope == pytest.approx(exponent, abs=0.1)


@pytest.mark.parametrize(
    ("image", "side", "small"),
    [
        ((32, 32), 4, (4, 4)),
        ((32, 32), 16, (16, 16)),
        ((24, 40), 10, (6, 10)),
        ((8, 8), 16, (8, 8)),
        ((4, 64), 8, (4, 8)),
        ((389, 389), 8, (7, 7)),  # as imgaug's: 389 · (8 / 389) is a little below 8
    ],
)
def test_noise_is_sampled_no_larger_than_the_image_and_its_side_but_at_least_4_by_4(image, side, small):
    assert fitted(*image, side) == small


def test_layers_span_the_whole_range():
    layers = noise_of(50, 7, 12, -2)
    assert (layers.min((1, 2)) == 0).all()
    assert (layers.max((1, 2)) == 1).all()


@pytest.mark.parametrize("interpolation", UPSCALING)
def test_a_layer_is_scaled_up_from_bytes_unless_it_has_the_right_size(interpolation):
    layer = noise_of(1, 6, 9, -1)[0]
    scaled = 255 * upscaled(layer, 24, 36, interpolation)
    assert scaled.shape == (24, 36)
    assert np.abs(scaled - scaled.round()).max() < 1e-4
    assert (scaled.min(), scaled.max()) == pytest.approx((0, 255), abs=20)  # linear interpolation misses the very ends
    assert np.abs(upscaled(layer, 6, 9, interpolation) - layer).max() < 1e-6


def test_every_second_mask_is_driven_towards_0_and_1(monkeypatch):
    def share_at_the_ends(masks: np.ndarray) -> float:
        return float((np.abs(masks - 0.5) > 0.45).mean())

    shares = []
    for share in (0, 0.5, 1):
        monkeypatch.setattr(noise, "SIGMOID_SHARE", share)
        shares.append(share_at_the_ends(noise_masks(2_000, 16, 16, (-4, 0), rng())))
    assert shares[2] > 4 * shares[0]
    assert shares[1] == pytest.approx((shares[0] + shares[2]) / 2, abs=0.03)


def test_a_mask_is_the_mean_or_the_maximum_of_its_one_to_three_layers(monkeypatch):
    monkeypatch.setattr(noise, "SIGMOID_SHARE", 0)
    seen = {}

    def kept(count: int, *arguments: object) -> np.ndarray:
        seen["layers"] = noise_layers(count, *arguments)
        return seen["layers"]

    monkeypatch.setattr(noise, "noise_layers", kept)
    masks = noise_masks(300, 8, 8, (-4, 0), rng())
    layers, used, lengths, rules = seen["layers"], 0, set(), set()
    for mask in masks:
        fits = [
            (length, rule.__name__)
            for length in (1, 2, 3)
            for rule in (np.mean, np.max)
            if used + length <= len(layers) and np.allclose(mask, rule(layers[used : used + length], axis=0), atol=1e-6)
        ]
        assert fits
        used += fits[0][0]
        lengths.add(fits[0][0])
        if fits[0][0] > 1:
            rules.add(fits[0][1])
    assert used == len(layers)
    assert lengths == {1, 2, 3}
    assert len(rules) == 2


# The report's pipelines


def test_the_first_pipeline_mirrors_always_and_blurs_up_to_sigma_1():
    points = flat(2_000, 0, size=9)
    points[:, 4, 2] = 255
    peaks = PIPELINES["report_flip_blur"](points, rng())[:, 4, 6, 0].astype(int)
    assert peaks.min() == pytest.approx(41, abs=1)
    assert peaks.max() == 255


def test_the_second_pipeline_adds_up_to_50_to_each_hsv_channel_of_shuffled_images():
    result = hsv_of(PIPELINES["report_hsv"](from_hsv(100, 128, 128).repeat(20_000, 0)[:, :1, :1], rng()))[:, 0, 0]
    assert (result[:, VALUE].min(), result[:, VALUE].max()) == (78, 178)
    assert result[:, SATURATION].min() == pytest.approx(78, abs=2)
    assert result[:, SATURATION].max() == pytest.approx(178, abs=2)
    # A twelfth of the images has each of the six orders by shuffling, half have the old order besides. Orders turn hue
    # 100 into ±100, ±(100 − 60) and ±(100 + 60), and ±50 spreads each evenly, clipped at 0.
    homes = (np.array([100, 40, 160, 80, 140, 20])[:, None] + np.arange(-50, 51)).clip(0) % 180
    expected = (6 * np.bincount(homes[0], minlength=180) + np.bincount(homes.ravel(), minlength=180)) / (12 * 101)
    observed = np.bincount(result[:, HUE], minlength=180) / len(result)
    assert np.abs(np.cumsum(observed - expected)).max() < 0.02


def test_the_third_pipeline_drops_shuffles_and_sharpens_with_the_reports_probabilities():
    colour = (40, 60, 80)
    result = PIPELINES["report_dropout_sharpen"](flat(20_000, colour, size=9), rng()).astype(int)
    dropped = (result == 0).any((1, 2, 3))
    expected = np.mean(1 - (1 - np.linspace(0.1, 0.3, 1001)) ** 9) / 2
    assert abs(dropped.mean() - expected) < 0.012
    shuffled = (np.argsort(result.sum((1, 2)), axis=1) != [0, 1, 2]).any(1)
    assert abs(shuffled.mean() - 5 / 6 / 8) < 0.01
    whole = result[~dropped, 0, 0]
    assert abs((whole.sum(1) == sum(colour)).mean() - 0.5) < 0.05  # a weak sharpening rounds to nothing
    assert whole.max() == pytest.approx(80 * 1.5, abs=2)
    assert whole.min() == pytest.approx(40 * 0.75, abs=1)


def test_the_fourth_pipeline_stays_within_what_its_factors_allow():
    result = PIPELINES["report_noise_blend"](flat(5_000, 100), rng())
    # Multiplied: 50…150; contrasted: 11…161; then at most 1.5 times 161.
    assert result.max() <= 242
    assert result.max() > 220
    assert result.min() == 0  # by the contrast of 2, clipped
    assert len(np.unique(result.reshape(5_000, -1, 3)[0], axis=0)) > 10  # the blend varies within an image


# Copies


def test_the_reports_four_are_there_and_turn_2500_images_into_12500_with_the_originals_first():
    train = split_of(25)
    everything = train.followed_by(copies_of(train, REPORT, seed=42))
    assert len(everything) == 125
    assert np.array_equal(everything.images[:25], train.images)
    assert np.array_equal(everything.labels, np.tile(train.labels, 5))


@pytest.mark.parametrize("name", PIPELINES)
def test_each_pipeline_can_be_listed_alone_and_samples_the_same_as_beside_others(name):
    train = split_of(12)
    alone = copies_of(train, [name], seed=1)
    position = list(PIPELINES).index(name)
    beside = copies_of(train, list(PIPELINES), seed=1)
    assert np.array_equal(alone.images, beside.images[12 * position : 12 * (position + 1)])
    assert not np.array_equal(alone.images, train.images)


def test_a_pipeline_listed_twice_gives_two_different_copies():
    copies = copies_of(split_of(12), ["report_hsv", "report_hsv"], seed=1)
    assert not np.array_equal(copies.images[:12], copies.images[12:])


def test_no_pipelines_give_no_copies():
    assert len(copies_of(split_of(3), [], seed=1)) == 0


def test_the_seed_decides_all_bytes():
    train = split_of(12)
    once, again, other = (copies_of(train, REPORT, seed).images for seed in (0, 0, 1))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_every_image_is_changed_where_they_are_more_than_a_chunk(monkeypatch):
    monkeypatch.setattr(pipelines, "CHUNK", 5)
    train = split_of(12)
    copies = copies_of(train, ["report_flip_blur"], seed=0)
    closer_to_own = np.abs(copies.images.astype(int) - train.images[:, :, ::-1]).mean((1, 2, 3))
    to_another = np.abs(copies.images.astype(int) - np.roll(train.images[:, :, ::-1], 1, axis=0)).mean((1, 2, 3))
    assert (closer_to_own < to_another).all()


def test_stored_images_are_read_where_they_lie(tmp_path):
    train = split_of(12)
    write_split(tmp_path / "train", train)
    stored = copies_of(read_split(tmp_path / "train"), REPORT, seed=0)
    assert np.array_equal(stored.images, copies_of(train, REPORT, seed=0).images)


def test_a_study_adds_its_own_pipeline_with_one_line(monkeypatch):
    monkeypatch.setitem(PIPELINES, "darker", multiply((0.5, 0.5)))
    train = split_of(4)
    assert np.array_equal(copies_of(train, ["darker"], seed=0).images, train.images // 2)


def test_an_unknown_pipeline_is_told_with_the_nearest_name():
    with pytest.raises(UserError, match=r"no pipeline 'report_hvs'; did you mean 'report_hsv'\?"):
        copies_of(split_of(2), ["report_flip_blur", "report_hvs"], seed=0)
