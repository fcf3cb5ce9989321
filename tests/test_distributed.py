"""Several processes that train one network do what one does."""

import csv
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import Clone
from small_training import changed
from tinyres.training.batches import plan_epoch

TORCHRUN = "torchrun --nproc-per-node 2"
POLICY = changed(augment__online__mixup=0.4, augment__online__policy="randaugment").augment.online


@given(count=st.integers(8, 300), batch_size=st.integers(8, 64), ranks=st.integers(2, 4), epoch=st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_the_shares_of_all_ranks_are_the_batches_of_one_process_with_the_same_draws(count, batch_size, ranks, epoch):
    whole = plan_epoch(count, batch_size, POLICY, seed=0, epoch=epoch)
    shares = [plan_epoch(count, batch_size, POLICY, 0, epoch, rank, ranks) for rank in range(ranks)]
    drawn = dict(zip(whole.rows.tolist(), whole.draws.factors.tolist(), strict=True))
    for share in shares:
        assert dict(zip(share.rows.tolist(), share.draws.factors.tolist(), strict=True)).items() <= drawn.items()
    joined = shares[0].sizes
    for number, size in enumerate(joined):
        parts = [share.rows[slice(*share.bounds[number])] for share in shares]
        assert all(len(part) >= 2 for part in parts)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert sum(map(len, parts)) == size
        if joined == whole.sizes:
            assert torch.cat(parts).sort().values.equal(whole.rows[slice(*whole.bounds[number])].sort().values)


def test_a_last_batch_too_small_for_all_ranks_joins_the_one_before():
    plan = plan_epoch(131, 64, POLICY, seed=0, epoch=0, rank=1, ranks=2)
    assert plan.sizes == [64, 67]
    assert plan.bounds == [(0, 32), (32, 65)]
