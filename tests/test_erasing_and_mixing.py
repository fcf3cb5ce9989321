"""Random erasing, MixUp and CutMix are torchvision's, drawn for every image; labels are mixed as pixels are."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from tinyres.augmentation.erasing import ErasingSamples, erase, erased_rectangles, sample_erasing
from tinyres.augmentation.mixing import MixingSamples, mix, overlays, sample_mixing
from tinyres.augmentation.online import BatchAugmentation, sample
from tinyres.augmentation.policies import POLICIES
from tinyres.params import OnlineAugmentation
from tinyres.training.batches import batches, plan_epoch
from tinyres.training.placement import DeviceSplit

CPU = torch.device("cpu")
NOTHING = {"crop_padding": 0, "flip": 0, "rotation": 0, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0,
           "policy": None, "operations": 2, "magnitude": 9, "erasing": 0, "mixup": 0, "cutmix": 0}  # fmt: skip
PAPER = {"crop_padding": 4, "flip": 0.5, "rotation": 15, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2,
         "hue": 0.1}  # fmt: skip
ADDED = {"policy": "randaugment", "erasing": 0.5, "mixup": 0.4, "cutmix": 1.0}


def asked(**changes: object) -> OnlineAugmentation:
    return OnlineAugmentation(**NOTHING | changes)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(count, 3, height, width, generator=seeded(count)).clamp(min=0.01)


def erased(samples: ErasingSamples, height: int, width: int) -> Tensor:
    """Ours, on images of ones: N×H×W, 0 where erased."""
    pixels = torch.ones(len(samples.happens), 3, height, width)
    erase(pixels, erased_rectangles(samples, height, width))
    assert torch.equal(pixels[:, 0], pixels[:, 2])
    return pixels[:, 0]


def without_tie(value: float, whole: Callable[[float], int]) -> int:
    """The whole number, of a value so far from where the next one begins that float32 comes to the same."""
    assume(whole(value - 1e-4) == whole(value + 1e-4))
    return whole(value)


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 40))
def test_erasing_follows_torchvisions_rule_for_the_same_draws(seed, height, width):
    samples = sample_erasing(0.7, 20, seeded(seed))
    pixels = noise(20, height, width)
    got = pixels.clone()
    erase(got, erased_rectangles(samples, height, width))
    for row in range(20):
        expected = pixels[row]
        for share, aspect in zip(samples.share[row].tolist(), samples.aspect[row].tolist(), strict=True):
            h = without_tie(math.sqrt(share * height * width * aspect), round)
            w = without_tie(math.sqrt(share * height * width / aspect), round)
            if samples.happens[row] and h < height and w < width:
                down, right = samples.place[row].tolist()
                i, j = without_tie(down * (height - h + 1), int), without_tie(right * (width - w + 1), int)
                expected = TF.erase(expected, i, j, h, w, torch.zeros(1, 1, 1))
                break
            if not samples.happens[row]:
                break
        assert torch.equal(got[row], expected)


def test_erased_rectangles_are_distributed_as_torchvisions():
    count = 20_000
    ours = 1 - erased(sample_erasing(1, count, seeded()), 32, 32)
    transform = v2.RandomErasing(p=1)
    torch.manual_seed(0)
    params = [transform.make_params([torch.zeros(3, 32, 32)]) for _ in range(5_000)]
    areas = ours.sum((1, 2))
    heights, widths = ours.amax(2).sum(1), ours.amax(1).sum(1)
    assert torch.equal(areas, heights * widths)  # each is one rectangle
    assert areas.mean().item() == pytest.approx(sum(p["h"] * p["w"] for p in params) / 5_000, rel=0.03)
    assert heights.mean().item() == pytest.approx(sum(p["h"] for p in params) / 5_000, rel=0.03)
    assert widths.mean().item() == pytest.approx(sum(p["w"] for p in params) / 5_000, rel=0.03)
    assert 0.01 <= areas.min() / 1024 <= areas.max() / 1024 <= 0.36


def test_erasing_happens_with_its_probability():
    samples = sample_erasing(0.3, 20_000, seeded())
    assert abs((erased(samples, 32, 32).amin((1, 2)) == 0).float().mean() - 0.3) < 0.01


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (9, 14)])
def test_mixing_equals_torchvision_for_the_same_draws(kind, height, width):
    """With the partner that torchvision takes, the image before, and one share for the whole batch."""
    count, classes = 6, 10
    pixels, labels = noise(count, height, width), torch.tensor([3, 1, 4, 1, 5, 9])
    for seed in range(30):
        samples = sample_mixing(**{"mixup": 0.0, "cutmix": 0.0} | {kind: 1.0}, count=count, generator=seeded(seed))
        samples = MixingSamples(
            torch.full((count,), (count - 2) / (count - 1) + 0.01),  # the furthest on is the one before
            samples.share[:1].expand(count), samples.cuts, samples.centre[:1].expand(count, 2),
        )  # fmt: skip
        got, targets = mix(pixels, labels, overlays(samples, [(0, count)], height, width), classes)
        share = samples.share[0].item()
        if kind == "mixup":
            transform, params = v2.MixUp(num_classes=classes), {"lam": share}
        else:
            transform = v2.CutMix(num_classes=classes)
            y, x = int(samples.centre[0, 0] * height), int(samples.centre[0, 1] * width)
            half = 0.5 * math.sqrt(1 - share)
            x1, x2 = max(x - int(half * width), 0), min(x + int(half * width), width)
            y1, y2 = max(y - int(half * height), 0), min(y + int(half * height), height)
            params = {"box": (x1, y1, x2, y2), "lam_adjusted": 1 - (x2 - x1) * (y2 - y1) / (width * height)}
        params |= {"labels": labels, "batch_size": count}
        torch.testing.assert_close(got, transform.transform(pixels, params), atol=1e-6, rtol=0)
        torch.testing.assert_close(targets, transform.transform(labels, params), atol=1e-6, rtol=0)


@settings(max_examples=80)
@given(
    st.integers(0, 1000),
    st.floats(0, 10),
    st.floats(0, 10),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 20),
)
def test_labels_say_what_is_in_the_pixels(seed, mixup, cutmix, sizes, size):
    """Each image shows its own number everywhere, so that a mixture's mean is what its label says."""
    if not mixup and not cutmix:
        mixup = 1.0
    count = sum(sizes)
    edges = torch.tensor([0, *sizes]).cumsum(0).tolist()
    bounds = list(pairwise(edges))
    overlay = overlays(sample_mixing(mixup, cutmix, count, seeded(seed)), bounds, size, size)
    for start, stop in bounds:
        numbers = torch.arange(stop - start)
        pixels = numbers.float().view(-1, 1, 1, 1).expand(-1, 3, size, size)
        mixed, targets = mix(pixels, numbers, overlay[start:stop], stop - start)
        assert targets.min() >= 0
        torch.testing.assert_close(targets.sum(1), torch.ones(stop - start))
        torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ numbers.float(), atol=1e-4, rtol=1e-4)
        partner = overlay.partner[start:stop]
        assert ((partner >= 0) & (partner < stop - start)).all()
        assert stop - start == 1 or (partner != numbers).all()


def test_partners_are_any_other_image_of_the_batch_evenly():
    bounds = [(start, start + 5) for start in range(0, 50_000, 5)]
    overlay = overlays(sample_mixing(1, 0, 50_000, seeded()), bounds, 4, 4)
    distance = (overlay.partner - torch.arange(50_000) % 5) % 5
    share = distance.bincount(minlength=5) / 50_000
    assert share[0] == 0
    assert (share[1:] - 0.25).abs().max() < 0.01


@pytest.mark.parametrize(("mixup", "cutmix", "cut"), [(0.4, 0, 0), (0, 1, 1), (0.4, 1, 0.5)])
def test_shares_come_from_each_kinds_own_beta(mixup, cutmix, cut):
    samples = sample_mixing(mixup, cutmix, 50_000, seeded())
    assert abs(samples.cuts.float().mean() - cut) < 0.01
    for alpha, chosen in ((mixup, ~samples.cuts), (cutmix, samples.cuts)):
        if chosen.any():
            share = samples.share[chosen]
            assert abs(share.mean() - 0.5) < 0.01
            assert share.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)  # of Beta(α, α)


def split(count: int = 100) -> DeviceSplit:
    return DeviceSplit((noise(count, 16, 16) * 255).byte(), torch.arange(count) % 10)


def epoch(params: OnlineAugmentation, data: DeviceSplit) -> list[tuple[Tensor, Tensor]]:
    plan = plan_epoch(len(data), 32, params, seed=0, epoch=0)
    return list(batches(data, plan, BatchAugmentation(params, 16, 16, 10, CPU)))


def test_labels_are_numbers_where_nothing_mixes_and_shares_where_images_are_mixed():
    data = split()
    for pixels, labels in epoch(asked(policy="autoaugment", erasing=0.5), data):
        assert labels.dtype == torch.int64
        assert labels.shape == pixels.shape[:1]
    for change in ({"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}):
        for pixels, labels in epoch(asked(**change), data):
            assert labels.dtype == torch.float32
            assert labels.shape == (len(pixels), 10)


@pytest.mark.parametrize("name", ADDED)
def test_each_kind_changes_the_images_and_nothing_of_what_the_others_draw(name):
    """Every draw with all of them on is the draw with only one of them on."""
    alone, together = asked(**PAPER, **{name: ADDED[name]}), asked(**PAPER, **ADDED)
    part = {"policy": "policy", "erasing": "erasing", "mixup": "mixing", "cutmix": "mixing"}[name]
    without, one, everything = (sample(params, 64, seeded()) for params in (asked(**PAPER), alone, together))
    for field in ("top", "left", "flip", "angle", "factors", "order"):
        assert torch.equal(getattr(without, field), getattr(everything, field))
        assert torch.equal(getattr(without, field), getattr(one, field))
    if part != "mixing":  # both kinds of mixing share what they draw
        for field, value in vars(getattr(one, part)).items():
            other = getattr(getattr(everything, part), field)
            assert torch.equal(value, other) if isinstance(value, Tensor) else value == other
    assert getattr(without, part) is None
    data = split()
    for (before, _), (after, _) in zip(epoch(asked(**PAPER), data), epoch(alone, data), strict=True):
        assert not torch.equal(before, after)


@pytest.mark.parametrize("change", [{"operations": 3}, {"magnitude": 20}, {"policy": "trivialaugment"}])
def test_operations_and_magnitude_are_randaugments(change):
    data = split()
    base = {"policy": "randaugment"}
    assert not same(epoch(asked(**base), data), epoch(asked(**base | change), data))
    for other in ("autoaugment", "trivialaugment", "augmix", None):
        if "policy" not in change:
            assert same(epoch(asked(policy=other), data), epoch(asked(policy=other, **change), data))


def same(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(first, second, strict=True))


def test_what_is_done_comes_in_the_declared_order():
    """Erasing blackens what colour jitter has changed, and comes before mixing, whose patches may hold the black."""
    params = asked(brightness=0.5, erasing=1.0)
    white = DeviceSplit(torch.full((64, 3, 16, 16), 100, dtype=torch.uint8), torch.zeros(64, dtype=torch.int64))
    for pixels, _ in epoch(params, white):
        values = [image.unique() for image in pixels]
        assert all(len(value) == 2 and value[0] == 0 for value in values)
    mixed = torch.cat([pixels for pixels, _ in epoch(asked(erasing=1.0, mixup=1.0), white)])
    assert max(len(image.unique()) for image in mixed) == 4  # black in neither, either or both


@settings(max_examples=30)
@given(
    st.fixed_dictionaries({
        "crop_padding": st.integers(0, 8), "flip": st.floats(0, 1), "rotation": st.floats(0, 180),
        "hue": st.floats(0, 0.5), "contrast": st.floats(0, 2),
        "policy": st.sampled_from([None, *POLICIES]),
        "operations": st.integers(1, 8), "magnitude": st.integers(0, 30),
        "erasing": st.floats(0, 1), "mixup": st.floats(0, 5), "cutmix": st.floats(0, 5),
    }),
    st.integers(1, 70),
)  # fmt: skip
def test_any_parameters_give_pixels_in_range_and_whole_labels(changes, count):
    for pixels, labels in epoch(asked(**changes), split(count)):
        assert pixels.shape == (len(labels), 3, 16, 16)
        assert pixels.isfinite().all()
        assert pixels.min() >= 0
        assert pixels.max() <= 1 + 1e-6
        if labels.dim() == 2:
            torch.testing.assert_close(labels.sum(1), torch.ones(len(labels)))


@pytest.mark.parametrize("name", POLICIES)
def test_a_batch_waits_for_no_device(name):
    """On torch's `meta` device tensors have shapes and no values: whoever looks at one, or mixes devices, fails."""
    meta = torch.device("meta")
    params = asked(**PAPER, **ADDED | {"policy": name})
    augmentation = BatchAugmentation(params, 16, 16, 10, meta)
    plan = plan_epoch(500, 64, params, seed=0, epoch=0)
    prepared = augmentation.prepare(plan.samples, plan.bounds)
    for number, (start, stop) in enumerate(plan.bounds):
        images = torch.empty(stop - start, 3, 16, 16, dtype=torch.uint8, device=meta)
        labels = torch.empty(stop - start, dtype=torch.int64, device=meta)
        pixels, targets = augmentation(images, labels, prepared, number)
        assert pixels.shape == images.shape
        assert targets.shape == (stop - start, 10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", POLICIES)
def test_a_gpu_makes_of_the_same_draws_what_a_cpu_makes(name):
    params, data, gpu = asked(**ADDED | {"policy": name}), split(), torch.device("cuda")
    there = DeviceSplit(data.images.to(gpu), data.labels.to(gpu))
    plan = plan_epoch(len(data), 32, params, seed=0, epoch=0)
    on_gpu = batches(there, plan, BatchAugmentation(params, 16, 16, 10, gpu))
    for (pixels, labels), (their_pixels, their_labels) in zip(epoch(params, data), on_gpu, strict=True):
        torch.testing.assert_close(labels, their_labels.cpu(), atol=1e-6, rtol=0)
        # A pixel halfway between two, or a product that is a whole number, may fall either way.
        assert ((pixels - their_pixels.cpu()).abs() > 1e-6).float().mean() < 0.02
