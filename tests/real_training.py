"""A training of a minute on real CIFAR-100, for tests that start, stop and resume it."""

import time

from pipeline import Clone

MAMMALS = ["subset.classes=aquatic_mammals", "subset.per_class=60", "augment.online.crop_padding=2"]


def wait_for_checkpoint(clone: Clone) -> None:
    deadline = time.monotonic() + 120
    while not list(clone.folder.glob(".checkpoints/*/latest.pt")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
