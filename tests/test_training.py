"""Training gives the same bytes whatever happens on the way."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from small_training import TEST, changed, results, trainer
from tinyres.common.errors import UserError
from tinyres.training.batches import plan_epoch
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.early_stopping import has_stalled
from tinyres.training.progress import Progress
from tinyres.training.trainer import Trainer


@pytest.fixture
def undisturbed(tmp_path_factory, monkeypatch) -> tuple[bytes, list[dict[str, float]]]:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("undisturbed")))
    each = trainer(changed(), CheckpointStore("undisturbed"))
    each.fit()
    return results(each)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(undisturbed, checkpoints):
    again = trainer(changed(), checkpoints)
    again.fit()
    assert results(again) == undisturbed
    checkpoints.remove()
    other = trainer(changed(seed=1), checkpoints)
    other.fit()
    assert results(other)[0] != undisturbed[0]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("steps", [1, 5, 6, 9])
def test_a_signal_finishes_the_step_saves_and_the_next_start_goes_on(name, steps, undisturbed, checkpoints):
    first = trainer(changed(), checkpoints)
    stop_after(first, steps, signal.Signals[name])
    with pytest.raises(UserError, match=f"Stopped by {name}.* run the same command again"):
        first.fit()
    second = trainer(changed(), checkpoints)
    second.fit()
    assert results(second) == undisturbed


def test_a_training_on_mixed_images_goes_on_in_the_middle_of_an_epoch_as_well(checkpoints):
    """Policy, erasing and mixtures are rebuilt from (seed, epoch), as are crops and colours."""
    online = {"policy": "randaugment", "erasing": 0.3, "mixup": 0.4, "cutmix": 1.0}
    params = changed(**{f"augment__online__{name}": value for name, value in online.items()})
    whole = trainer(params, checkpoints)
    whole.fit()
    checkpoints.remove()
    first = trainer(params, checkpoints)
    stop_after(first, 9, signal.SIGTERM)
    with pytest.raises(UserError):
        first.fit()
    second = trainer(params, checkpoints)
    second.fit()
    assert results(second) == results(whole)


def stop_after(each: Trainer, steps: int, number: signal.Signals) -> None:
    """Send ourselves a signal in the middle of the given step."""
    original, count = each._train_step, iter(range(1, 1000))

    def step(*arguments) -> None:
        if next(count) == steps:
            os.kill(os.getpid(), number)
        original(*arguments)

    each._train_step = step


def test_a_checkpoint_cut_short_is_passed_over_for_the_one_before(undisturbed, checkpoints):
    first = trainer(changed(), checkpoints)
    stop_after(first, 14, signal.SIGTERM)
    with pytest.raises(UserError):
        first.fit()
    whole = checkpoints.latest.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        checkpoints.latest.write_bytes(whole[:length])
        second = trainer(changed(), CheckpointStore("some-training"))
        state = second.checkpoints.load()
        assert state is not None
        assert state["epoch"] == 2
    second.fit()
    assert results(second) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of its own with 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    monkeypatch.setenv("DVC_ROOT", str(place))
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_the_last_checkpoint_intact(undisturbed, small_disk):
    checkpoints = CheckpointStore("some-training")
    first = trainer(changed(), checkpoints)

    def fill_the_disk(history: list) -> None:
        if len(history) == 2:
            with pytest.raises(OSError, match="No space left"), (small_disk / "filler").open("wb") as filler:
                filler.write(bytes(2**20))

    with pytest.raises(OSError, match="No space left"):
        first.fit(after_epoch=fill_the_disk)
    assert not list(checkpoints.folder.glob("draft*"))
    (small_disk / "filler").unlink()
    second = trainer(changed(), CheckpointStore("some-training"))
    assert second.checkpoints.load()["epoch"] == 2
    second.fit()
    assert results(second) == undisturbed


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def with_a_damaged_index(file: Path) -> None:
    """The archive's list of members is whole; the pickled index of tensors inside it is not."""
    content = file.read_bytes()
    start = content.index(b"data.pkl") + 64
    file.write_bytes(content[:start] + bytes(64) + content[start + 64 :])


def of_something_else(file: Path) -> None:
    torch.save([1, 2, 3], file)


def of_another_training(file: Path) -> None:
    CheckpointStore("another").save({"epoch": 7})
    shutil.copyfile(CheckpointStore("another").latest, file)


@pytest.mark.parametrize("spoil", [cut_short, with_a_damaged_index, of_something_else, of_another_training])
def test_a_file_that_is_no_checkpoint_is_passed_over_for_the_one_before(spoil, checkpoints):
    checkpoints.save({"epoch": 1, "weights": torch.arange(1000.0)})
    checkpoints.save({"epoch": 2, "weights": torch.arange(1000.0)})
    spoil(checkpoints.latest)
    assert (checkpoints.load() or {}).get("epoch") == 1
    spoil(checkpoints.previous)
    assert checkpoints.load() is None


def test_a_training_that_may_stop_early_is_said_to_take_at_most_so_long(capsys):
    for patience, words in ((None, "images/s on this CPU: about"), (3, "which early stopping may end sooner")):
        early = {"early_stopping__patience": patience, "subset__validation": 0.2}
        progress = Progress("net", changed(epochs=1000, **early), 1_000_000, on_cpu=True)
        progress.epoch_starts(0, 100, 0)
        progress.show(1.0, 0.5, 64, 1000)
        progress.started -= 10  # seconds
        progress.show(1.0, 0.5, 128, 1000)
        assert words in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run_with_a_remedy(checkpoints):
    with pytest.raises(UserError, match=r"not finite at epoch 1, step \d+, lr 1e\+30; lower lr"):
        trainer(changed(lr=1e30, optimizer__name="sgd"), checkpoints).fit()


def test_parts_of_a_batch_give_the_gradient_of_the_whole(checkpoints):
    """Exact where the network neither normalises over the batch nor samples."""
    weights = []
    for parts in (1, 3):
        params = changed(optimizer__accumulation=parts, optimizer__name="sgd", lr=0.1)
        each = trainer(params, checkpoints)
        each.classifier.network[1], each.classifier.network[4] = nn.Identity(), nn.Identity()
        each.fit()
        weights.append(torch.cat([value.flatten() for value in each.classifier.parameters()]))
        checkpoints.remove()
    assert torch.allclose(*weights, atol=1e-6)


def test_clipping_bounds_the_step(checkpoints):
    params = changed(optimizer__clip_norm=1e-3, optimizer__name="sgd", lr=1.0, epochs=1, batch_size=170, weight_decay=0)
    each = trainer(params, checkpoints)
    before = torch.cat([value.detach().flatten().clone() for value in each.classifier.parameters()])
    each.fit()
    after = torch.cat([value.detach().flatten() for value in each.classifier.parameters()])
    assert (after - before).norm() == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_follows_the_cosine_to_its_end(checkpoints):
    each = trainer(changed(epochs=4), checkpoints)
    assert [row["lr"] for row in each.fit()] == pytest.approx([0.001, 0.00085355, 0.0005, 0.00014645], rel=1e-4)


def test_an_epoch_shows_every_image_once_and_can_be_rebuilt_alone():
    policy = changed().augment.online
    plans = [plan_epoch(1000, 64, policy, seed=0, epoch=epoch) for epoch in (0, 1, 1)]
    assert all(torch.equal(plan.rows.sort().values, torch.arange(1000)) for plan in plans)
    assert torch.equal(plans[1].rows, plans[2].rows)
    assert torch.equal(plans[1].samples.factors, plans[2].samples.factors)
    assert not torch.equal(plans[0].rows, plans[1].rows)
    assert [stop - start for start, stop in plans[0].bounds] == [64] * 15 + [40]


def test_a_last_batch_of_one_image_joins_the_one_before():
    plan = plan_epoch(129, 64, changed().augment.online, seed=0, epoch=0)
    assert [stop - start for start, stop in plan.bounds] == [64, 65]


def test_the_training_accuracy_is_the_running_one_of_the_epoch(checkpoints):
    """With a learning rate of almost nothing, and no batch normalisation or dropout, it is the model's own."""
    params = changed(lr=1e-12, epochs=1, weight_decay=0)
    object.__setattr__(params.augment, "online", params.augment.online.model_copy(update=dict.fromkeys(
        ["crop_padding", "flip", "rotation", "brightness", "contrast", "saturation", "hue"], 0)))  # fmt: skip
    each = trainer(params, checkpoints, train=TEST)
    each.classifier.network[1], each.classifier.network[4] = nn.Identity(), nn.Identity()
    (record,) = each.fit()
    assert record["train_accuracy"] == record["test_accuracy"]
    assert record["train_loss"] == pytest.approx(record["test_loss"], rel=1e-5)


REPORTED = [1.0847, 1.0588, 1.0737, 1.0722, 1.0661, 1.1288, 1.0865]  # the report's validation losses, epochs 1 to 7


def test_patience_five_stops_after_the_reports_seventh_epoch():
    histories = [[{"val_loss": loss} for loss in REPORTED[:epochs]] for epochs in range(8)]
    assert [has_stalled(history, patience=5) for history in histories] == [False] * 7 + [True]
    assert [has_stalled(history, patience=3) for history in histories] == [False] * 5 + [True] * 3


@pytest.mark.parametrize("restore_best", [False, True])
def test_stopping_early_keeps_the_last_weights_or_restores_the_best(restore_best, checkpoints):
    params = changed(epochs=40, lr=0.3, optimizer__name="sgd", subset__validation=0.1, scheduler__name="constant",
                     early_stopping__patience=2, early_stopping__restore_best=restore_best)  # fmt: skip
    each = trainer(params, checkpoints, prefix="val")
    history = each.fit()
    losses = [record["val_loss"] for record in history]
    assert len(history) < 40
    assert losses.index(min(losses)) == len(losses) - 3
    now = each._look_at_monitored()["val_loss"]
    assert now == pytest.approx(min(losses) if restore_best else losses[-1], rel=1e-5)


def test_stopping_early_without_validation_is_refused():
    with pytest.raises(UserError, match=r"early_stopping needs validation images.*subset\.validation"):
        changed(early_stopping__patience=5)
