"""How the weights move, held against closed forms and plain loops."""

import math
import signal
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from small_training import TRAIN, changed, network, results, trainer
from tinyres.common.errors import UserError
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.descent import Descent, SharpnessAwareDescent, kept_running_statistics
from tinyres.training.optimizers import make_optimizer, parameter_groups

STEPS = 6  # of the small training in an epoch
PLAIN = {"optimizer__name": "sgd", "weight_decay": 0}


def rates(checkpoints: CheckpointStore, **changes: object) -> list[float]:
    """The learning rate of every step of a training, whose lr is 1e-6."""
    each = trainer(changed(**PLAIN | {"lr": 1e-6} | changes), checkpoints)
    original, seen = each.descend, []

    def descend(add_gradient: Callable[[], object]) -> object:
        seen.append(each.optimizer.param_groups[0]["lr"] / 1e-6)
        return original(add_gradient)

    each.descend = descend
    each.fit()
    assert [row["lr"] / 1e-6 for row in each.history] == pytest.approx(seen[STEPS - 1 :: STEPS])
    return seen


def test_cosine_falls_to_nothing_after_an_even_rise(checkpoints):
    expected = [1 / 3, 2 / 3] + [(1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert rates(checkpoints, epochs=6, scheduler__warmup=2)[::STEPS] == pytest.approx(expected)


def test_a_schedule_of_steps_is_that_of_epochs_in_finer_parts(checkpoints):
    expected = [(step + 1) / (STEPS + 1) for step in range(STEPS)]
    expected += [(1 + math.cos(math.pi * step / (2 * STEPS))) / 2 for step in range(2 * STEPS)]
    assert rates(checkpoints, scheduler__every="step", scheduler__warmup=1) == pytest.approx(expected)


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_steps_fall_by_the_factor_after_each_milestone(every, checkpoints):
    schedule = {"scheduler__name": "step", "scheduler__milestones": [2, 3], "scheduler__factor": 0.2}
    found = rates(checkpoints, epochs=5, scheduler__every=every, scheduler__warmup=1, **schedule)
    assert found[STEPS::STEPS] == pytest.approx([1, 0.2, 0.04, 0.04])


def test_one_cycle_rises_over_three_tenths_and_falls_to_almost_nothing(checkpoints):
    found = rates(checkpoints, epochs=5, scheduler__name="one_cycle", scheduler__every="step")
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == round(0.3 * len(found)) - 1
    assert max(found) == pytest.approx(1)
    assert found[-1] < 1e-5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer__nesterov": True}, "optimizer: optimizer.nesterov needs momentum to look ahead with"),
        ({"scheduler__milestones": [2]}, r"scheduler.milestones is \[2\] with scheduler.name 'cosine'"),
        ({"scheduler__name": "step"}, r"scheduler.milestones is \[\] with scheduler.name 'step'"),
        (
            {"scheduler__name": "one_cycle", "scheduler__warmup": 1},
            "'one_cycle' has its own rise: set",
        ),
        ({"scheduler__warmup": 3}, r"scheduler.warmup 3, milestones \[\] and epochs 3 must follow each other"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        changed(**changes)


def test_norms_and_biases_are_spared_where_they_are_not_to_decay():
    params = changed(optimizer__decays_norms_and_biases=False, weight_decay=0.1)
    decayed, spared = parameter_groups(network(), params)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0)
    assert [weight.ndim for weight in decayed["params"]] == [4, 2]
    assert [weight.ndim for weight in spared["params"]] == [1, 1, 1, 1]
    assert len(parameter_groups(network(), changed())) == 1


def test_frozen_weights_are_no_part_of_the_optimization():
    frozen = network()
    frozen[0].requires_grad_(False)
    (group,) = make_optimizer(frozen, changed()).param_groups
    assert len(group["params"]) == 4


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_channels_last_weights_move_as_others_do(name):
    """The optimizer has them in another order, without a copy, and leaves no gradient behind."""
    moved = []
    for order in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Conv2d(4, 5, 1)).to(memory_format=order)
        optimizer = make_optimizer(layers, changed(optimizer__name=name, optimizer__momentum=0.9, lr=1e-4))
        for step in range(3):
            layers(torch.full((1, 3, 4, 4), step + 1.0)).square().sum().backward()
            optimizer.step()
            assert all(weight.grad is None for weight in layers.parameters())
        (group,) = optimizer.param_groups
        assert all(weight.is_contiguous() for weight in group["params"])
        assert [a.data_ptr() for a in group["params"]] == [b.data_ptr() for b in layers.parameters()]
        moved.append([weight.detach() for weight in layers.parameters()])
    for one, other in zip(*moved, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_nesterov_looks_ahead():
    """Two steps down a slope of 1: the velocity is 1, then 1.9; the step is the gradient and 0.9 of the velocity."""
    places = []
    for nesterov in (False, True):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(layer.weight)
        params = changed(**PLAIN, lr=1.0, optimizer__momentum=0.9, optimizer__nesterov=nesterov)
        descend = Descent(layer, make_optimizer(layer, params), params)
        for _ in range(2):
            descend(lambda layer=layer: layer.weight.sum().backward())
        places.append(layer.weight.item())
    assert places == pytest.approx([-2.9, -(1 + 0.9) - (1 + 0.9 * 1.9)])


def test_sharpness_aware_descent_takes_the_gradient_of_the_highest_place_within_rho():
    """Of the loss Σ cᵢwᵢ²/2 the gradient is cw: at w + ρ·cw/|cw| it is c(w + ρ·cw/|cw|)."""
    curvature, rho, lr = torch.tensor([[1.0, 4.0]]), 0.5, 0.1
    layer = nn.Linear(2, 1, bias=False)
    start = layer.weight.detach().clone()
    params = changed(**PLAIN, lr=lr, optimizer__sharpness=rho)
    seen = []

    def add_gradient() -> float:
        loss = (curvature * layer.weight.square()).sum() / 2
        loss.backward()
        seen.append(loss.item())
        return loss.item()

    returned = SharpnessAwareDescent(layer, make_optimizer(layer, params), params)(add_gradient)
    climb = rho * curvature * start / (curvature * start).norm()
    assert torch.allclose(layer.weight, start - lr * curvature * (start + climb))
    assert seen[1] > seen[0] == returned


def test_sharpness_changes_the_weights_but_neither_the_images_nor_what_is_counted(checkpoints):
    """After one step the loss and the accuracy of the first epoch are those of plain descent."""
    histories = []
    for rho in (None, 0.5):
        each = trainer(changed(optimizer__sharpness=rho, batch_size=len(TRAIN), epochs=1), checkpoints)
        each.fit()
        histories.append(each)
        checkpoints.remove()
    plain, sharp = histories
    assert plain.history[0]["train_loss"] == sharp.history[0]["train_loss"]
    assert results(plain)[0] != results(sharp)[0]
    statistics = [each.classifier.network[1].running_mean for each in histories]
    assert torch.equal(*statistics)


def test_running_statistics_can_be_kept():
    layer = nn.BatchNorm2d(3)
    with kept_running_statistics(layer):
        layer(torch.randn(8, 3, 4, 4))
    assert torch.equal(layer.running_mean, torch.zeros(3))
    layer(torch.randn(8, 3, 4, 4))
    assert not torch.equal(layer.running_mean, torch.zeros(3))


def averaged_by_hand(weights: list[Tensor], decay: float) -> Tensor:
    average = weights[0]
    for steps, now in enumerate(weights[1:], start=1):
        share = min(decay, (1 + steps) / (10 + steps))
        average = share * average + (1 - share) * now
    return average


def test_the_moving_average_is_the_model(checkpoints):
    """Its statistics too, and the curves are its own."""
    each = trainer(changed(optimizer__averaging=0.3, lr=0.01), checkpoints)
    seen = [[value.clone().double() for value in each.classifier.network.state_dict().values()]]
    original = each.averaging.after_step

    def after_step() -> None:
        seen.append([value.clone().double() for value in each.classifier.network.state_dict().values()])
        original()

    each.averaging.after_step = after_step
    each.fit()
    found = each.classifier.network.state_dict()
    for (name, value), history in zip(found.items(), zip(*seen, strict=True), strict=True):
        expected = history[-1] if "num_batches" in name else averaged_by_hand(list(history), 0.3)
        assert torch.allclose(value.double(), expected, atol=1e-5), name
    logits = each.classifier.eval()(each.images.monitored.images / 255)
    loss = F.cross_entropy(logits, each.images.monitored.labels).item()
    assert each.history[-1]["test_loss"] == pytest.approx(loss, rel=1e-4)


EVERYTHING = {
    "optimizer__sharpness": 0.05, "optimizer__averaging": 0.9, "optimizer__accumulation": 2,
    "optimizer__name": "sgd", "optimizer__momentum": 0.9, "optimizer__nesterov": True,
    "optimizer__decays_norms_and_biases": False, "scheduler__every": "step", "scheduler__warmup": 1,
    "loss__label_smoothing": 0.1, "loss__adversarial": {"epsilon": 2, "steps": 2},
}  # fmt: skip


@pytest.mark.parametrize("steps", [3, 6, 8])
def test_with_everything_on_a_stopped_training_ends_with_the_same_bytes(steps, checkpoints):
    params = changed(**EVERYTHING)
    first = trainer(params, checkpoints)
    original, count = first._train_step, iter(range(1, 1000))

    def step(*arguments: Tensor) -> None:
        original(*arguments)
        if next(count) == steps:
            signal.raise_signal(signal.SIGTERM)

    first._train_step = step
    with pytest.raises(UserError, match="Stopped by SIGTERM"):
        first.fit()
    second = trainer(params, checkpoints)
    second.fit()
    undisturbed = trainer(params, CheckpointStore("undisturbed"))
    undisturbed.fit()
    assert results(second) == results(undisturbed)
