"""Several processes that train one network do what one does."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import ROOT, Clone
from real_training import wait_for_checkpoint
from small_training import changed
from tinyres.common.curves import read_curves
from tinyres.training.batches import plan_epoch

TORCHRUN = "torchrun --nproc-per-node 2"
POLICY = changed(augment__online__mixup=0.4, augment__online__policy="randaugment").augment.online


@given(count=st.integers(8, 300), batch_size=st.integers(8, 64), ranks=st.integers(2, 4), epoch=st.integers(0, 3))
@settings(max_examples=50)
def test_the_shares_of_all_ranks_are_the_batches_of_one_process_with_the_same_draws(count, batch_size, ranks, epoch):
    whole = plan_epoch(count, batch_size, POLICY, seed=0, epoch=epoch)
    shares = [plan_epoch(count, batch_size, POLICY, 0, epoch, rank, ranks) for rank in range(ranks)]
    drawn = dict(zip(whole.rows.tolist(), whole.samples.factors.tolist(), strict=True))
    for share in shares:
        assert dict(zip(share.rows.tolist(), share.samples.factors.tolist(), strict=True)).items() <= drawn.items()
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


CNN = ["models.baseline.architecture=cnn", "models.baseline.stem=null", "models.baseline.dropout=0"]


@pytest.fixture(scope="module")
def clone(mammals: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """With real aquatic mammals, ready to be trained on."""
    return mammals.copy(tmp_path_factory.mktemp("ranks"))


@pytest.mark.pipeline
@pytest.mark.slow
def test_two_processes_draw_the_curves_of_one(clone):
    """Of a network that neither samples nor normalises over the batch; started as a user starts it."""
    histories = []
    for launcher in ("python", TORCHRUN):
        words = [word for each in [*CNN, "epochs=3", f"runtime.launcher={launcher}"] for word in ("-S", each)]
        said = clone.run("dvc", "exp", "run", *words, "train-baseline")
        assert f"> {launcher} ./stages/train.py baseline" in said
        assert said.count("epoch 3/3") == 1
        histories.append(read_curves(clone.folder / "plots/history/baseline.csv"))
    for one, two in zip(*histories, strict=True):
        assert two == pytest.approx(one, abs=1e-3)


def start(clone: Clone, *launcher: str) -> subprocess.Popen:
    command = [*launcher, "stages/train.py", "baseline"]
    environment = clone.environment(OMP_NUM_THREADS="1")
    return subprocess.Popen(command, cwd=clone.folder, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_rank_that_dies_ends_the_job_which_another_number_of_ranks_takes_up(clone):
    """Rank 0, which records; rank 1 dies in the next test."""
    clone.set_params("epochs=6", "seed=10")
    job = start(clone, *TORCHRUN.split())
    wait_for_checkpoint(clone)
    ranks = [each for each in psutil.Process(job.pid).children() if "stages/train.py" in each.cmdline()]
    (dying,) = [each for each in ranks if each.environ()["RANK"] == "0"]
    dying.send_signal(signal.SIGKILL)
    _, said = job.communicate(timeout=30)
    assert job.returncode != 0
    assert f"Signal {signal.SIGKILL.value}" in said
    assert "rank      : 0" in said
    resumed = start(clone, "python")
    _, said = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, said
    assert "goes on after epoch" in said
    assert len(read_curves(clone.folder / "plots/history/baseline.csv")) == 6


@pytest.mark.pipeline
@pytest.mark.slow
def test_torchrun_starts_a_job_again_whose_rank_died(clone):
    """And it goes on from its last epoch."""
    clone.set_params("epochs=6", "seed=20")
    job = start(clone, "torchrun", "--max-restarts", "1", "--nproc-per-node", "2")
    wait_for_checkpoint(clone)
    (dying,) = [
        each
        for each in psutil.Process(job.pid).children()
        if "stages/train.py" in each.cmdline() and each.environ()["RANK"] == "1"
    ]
    dying.send_signal(signal.SIGKILL)
    _, said = job.communicate(timeout=200)
    assert job.returncode == 0, said
    assert "goes on after epoch" in said
    assert said.count("epoch 6/6") == 1


@pytest.mark.pipeline
@pytest.mark.slow
def test_more_processes_than_a_batch_can_feed_are_refused(clone):
    clone.set_params("batch_size=3")
    job = start(clone, *TORCHRUN.split())
    _, said = job.communicate(timeout=100)
    clone.set_params("batch_size=64")
    assert job.returncode != 0
    assert "batch_size is 3, which leaves less than 2 images at a time to each of 2 processes" in said


def test_with_python_as_the_launcher_nothing_of_this_is_imported():
    script = "import sys; from tinyres.models.machine import prepare_machine; import tinyres.training.trainer; "
    script += "from tinyres.params import read_params; prepare_machine(read_params('runtime').runtime); "
    script += "print('tinyres.models.process_group' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCHELASTIC")}
    environment |= {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
