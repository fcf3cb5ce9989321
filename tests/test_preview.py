"""The preview shows the same images as they are, in every copy and under samples of the online augmentation."""

import numpy as np
import pytest

from test_online_augmentation import NOTHING
from tinyres.common.dataset import Split
from tinyres.copies.pipelines import copies_of
from tinyres.copies.preview import IMAGES, SAMPLES, online_samples, preview
from tinyres.params.schema import Augment, OnlineAugmentation

COUNT = 30
TRAIN = Split(
    np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8), np.arange(COUNT, dtype=np.int64)
)
PIPELINES = ["report_hsv", "report_flip_blur"]


def online(**changes: object) -> OnlineAugmentation:
    return OnlineAugmentation(**(NOTHING | changes))


def samples_of(**changes: object) -> list[np.ndarray]:
    return online_samples(online(**changes), TRAIN, COUNT, seed=0)


@pytest.mark.parametrize("count", [IMAGES - 3, COUNT])
def test_a_row_of_the_same_images_for_the_originals_each_pipeline_and_each_sample(count):
    train = TRAIN.take(np.arange(count))
    copies = copies_of(train, PIPELINES, seed=0)
    rows = preview(Augment(offline=PIPELINES, online=online(flip=1)), train, copies, COUNT, seed=0)
    labels = ["original", "report hsv", "report flip blur", *(f"sample {number}" for number in range(1, SAMPLES + 1))]
    assert [label for label, _ in rows] == labels
    shown = min(IMAGES, count)
    originals, hsv, flip_blur, *samples = (images for _, images in rows)
    assert np.array_equal(originals, train.images[:shown])
    assert np.array_equal(hsv, copies.images[:shown])
    assert np.array_equal(flip_blur, copies.images[count : count + shown])
    for images in samples:
        assert np.array_equal(images, train.images[:shown, :, ::-1])


def test_samples_differ_and_the_seed_decides_them():
    samples = samples_of(crop_padding=4, hue=0.2)
    assert len(np.unique(samples, axis=0)) == SAMPLES
    assert np.array_equal(samples, samples_of(crop_padding=4, hue=0.2))


def test_an_augmentation_that_changes_nothing_has_no_samples():
    assert samples_of() == []
    rows = preview(Augment(offline=[], online=online()), TRAIN, copies_of(TRAIN, [], seed=0), COUNT, seed=0)
    assert [label for label, _ in rows] == ["original"]


def test_images_are_mixed_with_each_other():
    black_and_white = np.zeros_like(TRAIN.images)
    black_and_white[::2] = 255
    sample, *_ = online_samples(online(mixup=1.0), Split(black_and_white, TRAIN.labels), COUNT, seed=0)
    assert len(np.unique(sample)) > 2
