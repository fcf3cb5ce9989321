"""Where the images lie changes no result, and a file takes no memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import ROOT
from small_training import CPU, TEST, TRAIN, changed, results, trainer
from tinyres.common.dataset import Split, read_split, write_split
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.placement import DeviceSplit, HostSplit, place
from tinyres.training.trainer import Trainer, TrainerImages


def stored(split: DeviceSplit, folder: Path) -> Split:
    """The split as the pipeline stores it, read again."""
    write_split(folder, Split(split.images.permute(0, 2, 3, 1).numpy(), split.labels.numpy()))
    return read_split(folder)


@pytest.mark.parametrize("where", ["host", "mmap"])
def test_a_training_ends_with_the_same_bytes_wherever_its_images_lie(where, checkpoints, tmp_path):
    params = changed(augment__online__cutmix=1.0)
    expected = trainer(params, CheckpointStore("resident"))
    expected.fit()
    train, test = (place(stored(split, tmp_path / name), where, CPU) for name, split in (("a", TRAIN), ("b", TEST)))
    assert isinstance(train, HostSplit)
    other = trainer(params, checkpoints)
    images = TrainerImages(train, test, "test", 10)
    found = Trainer(params, "small", other.classifier, images, other.machine, checkpoints)
    found.fit()
    assert results(found) == results(expected)


@pytest.mark.parametrize("where", ["auto", "device", "host", "mmap"])
def test_the_same_images_come_from_everywhere(where, tmp_path):
    split = place(stored(TRAIN, tmp_path / "train"), where, CPU)
    rows = torch.tensor([5, 0, 100])
    assert torch.equal(split.take(rows), TRAIN.images[rows])
    assert torch.equal(split.first(7).images, TRAIN.images[:7])
    assert len(split) == len(TRAIN)


def test_few_images_are_on_the_device_and_too_many_in_their_file(monkeypatch, tmp_path):
    split = stored(TRAIN, tmp_path / "train")
    for free, kind in ((5 * split.images.nbytes, DeviceSplit), (3 * split.images.nbytes, HostSplit)):
        monkeypatch.setattr("tinyres.training.placement.free_memory", lambda _, free=free: free)
        assert type(place(split, "auto", CPU)) is kind


def test_what_changes_in_memory_leaves_the_file_alone(tmp_path):
    split = stored(TRAIN, tmp_path / "train")
    split.images[:] = 7
    assert not (read_split(tmp_path / "train").images == 7).all()


MEASURE = """
import re, sys
from pathlib import Path
from tinyres.common.dataset import read_split
from tinyres.training.batches import batches, plan_epoch
from tinyres.training.placement import place
from tinyres.augmentation.online import BatchAugmentation
from tinyres.params import read_params
import torch
policy, cpu = read_params("augment.online").augment.online, torch.device("cpu")
split = place(read_split(Path(sys.argv[1])), sys.argv[2], cpu)
plan = plan_epoch(10_000, 64, policy, seed=0, epoch=0)  # of the first of them
for pixels, labels in batches(split, plan, BatchAugmentation(policy, 64, 64, 2, cpu)):
    pass
print(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def own_memory(folder: Path, where: str) -> float:
    """Bytes of its own that a process holds after an epoch's first batches; a mapped file's pages are not."""
    command = [sys.executable, "-c", MEASURE, str(folder), where]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux to tell memory of its own from a file's"
)
def test_images_in_their_file_take_no_memory(tmp_path):
    """Ten times as many as are used, 614 MB of them."""
    count, size = 50_000, 64
    images = np.zeros((count, size, size, 3), np.uint8)
    images += np.arange(count, dtype=np.uint8)[:, None, None, None]
    write_split(tmp_path / "train", Split(images, np.arange(count) % 2))
    device, mapped = (own_memory(tmp_path / "train", where) for where in ("device", "mmap"))
    assert device - mapped > 0.9 * images.nbytes
