"""One seed for each purpose, from the study's own."""

import numpy as np
import torch


def seed_weights(seed: int) -> None:
    """Seed the generator that samples fresh weights."""
    torch.manual_seed(seed_of(seed))


def seed_of(*parts: int) -> int:
    """A seed for one purpose: NumPy's `SeedSequence` of the study's seed and numbers that name the purpose."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
