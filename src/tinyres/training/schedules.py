"""The learning rate over time, by the name of its schedule."""

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)

from tinyres.params import Params


class Schedule:
    """The learning rate over time, changed after every epoch or every step.

    Args:
        optimizer: the optimizer whose learning rate it sets.
        params: lr, epochs, scheduler.
        steps: the optimizer's steps in an epoch.
    """

    def __init__(self, optimizer: Optimizer, params: Params, steps: int) -> None:
        self.optimizer = optimizer
        self.changes_every_step = params.scheduler.every == "step"
        self.scheduler = make_scheduler(optimizer, params, steps if self.changes_every_step else 1)
        self.lr = params.lr
        """The learning rate of the last step."""

    def after_step(self) -> None:
        """Call after every step of the optimizer."""
        self.lr = self.optimizer.param_groups[0]["lr"]
        if self.changes_every_step:
            self.scheduler.step()

    def after_epoch(self) -> None:
        """Call after the last step of every epoch."""
        if not self.changes_every_step:
            self.scheduler.step()


def make_scheduler(optimizer: Optimizer, params: Params, changes: int) -> LRScheduler:
    """The learning rate after each change, of which there are `changes` in an epoch."""
    warmup, total = params.scheduler.warmup * changes, params.epochs * changes
    after_warmup = SCHEDULES[params.scheduler.name](optimizer, params, changes, total - warmup)
    if not warmup:
        return after_warmup
    rise = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return SequentialLR(optimizer, [rise, after_warmup], milestones=[warmup])


def _cosine(optimizer: Optimizer, params: Params, changes: int, total: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, T_max=total)


def _constant(optimizer: Optimizer, params: Params, changes: int, total: int) -> LRScheduler:
    return ConstantLR(optimizer, factor=1.0)


def _step(optimizer: Optimizer, params: Params, changes: int, total: int) -> LRScheduler:
    epochs = [milestone - params.scheduler.warmup for milestone in params.scheduler.milestones]
    return MultiStepLR(optimizer, [epoch * changes for epoch in epochs], gamma=params.scheduler.factor)


def _one_cycle(optimizer: Optimizer, params: Params, changes: int, total: int) -> LRScheduler:
    return OneCycleLR(optimizer, max_lr=params.lr, total_steps=total, cycle_momentum=False)


SCHEDULES: dict[str, Callable[[Optimizer, Params, int, int], LRScheduler]] = {
    "cosine": _cosine,
    "constant": _constant,
    "step": _step,
    "one_cycle": _one_cycle,
}
"""By name: from the optimizer, the parameters, the changes in an epoch and those in all."""
