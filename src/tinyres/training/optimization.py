"""How the weights move: the optimizer, its learning rate over time, and what makes up one step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
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

Answer = TypeVar("Answer")


def make_optimizer(network: nn.Module, params: Params) -> Optimizer:
    """AdamW or SGD over what trains, as one fused kernel (about four times fewer passes over the weights)."""
    groups = parameter_groups(network, params)
    if params.optimizer.name == "adamw":
        return torch.optim.AdamW(groups, lr=params.lr, fused=True)
    momentum, nesterov = params.optimizer.momentum, params.optimizer.nesterov
    return torch.optim.SGD(groups, lr=params.lr, momentum=momentum, nesterov=nesterov, fused=True)


def parameter_groups(network: nn.Module, params: Params) -> list[dict[str, object]]:
    """All trainable parameters with the weight decay, or those of one dimension (biases, normalisation) without it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if params.optimizer.decays_norms_and_biases:
        return [{"params": trainable, "weight_decay": params.weight_decay}]
    spared = [parameter for parameter in trainable if parameter.ndim <= 1]
    decayed = [parameter for parameter in trainable if parameter.ndim > 1]
    return [{"params": decayed, "weight_decay": params.weight_decay}, {"params": spared, "weight_decay": 0.0}]


class Schedule:
    """The learning rate over time, changed after every epoch or every step.

    Args:
        optimizer: whose learning rate it sets.
        params: lr, epochs, scheduler.
        steps: of the optimizer in an epoch.
    """

    def __init__(self, optimizer: Optimizer, params: Params, steps: int) -> None:
        self.optimizer = optimizer
        self.changes_every_step = params.scheduler.every == "step"
        self.scheduler = make_scheduler(optimizer, params, steps if self.changes_every_step else 1)
        self.lr = params.lr
        """Of the last step."""

    def after_step(self) -> None:
        """One step of the optimizer was made."""
        self.lr = self.optimizer.param_groups[0]["lr"]
        if self.changes_every_step:
            self.scheduler.step()

    def after_epoch(self) -> None:
        """All steps of an epoch were made."""
        if not self.changes_every_step:
            self.scheduler.step()


def make_scheduler(optimizer: Optimizer, params: Params, changes: int) -> LRScheduler:
    """The learning rate by number of changes, of which an epoch has `changes`."""
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


class Descent:
    """One step along the gradient, cut to `clip_norm`."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, params: Params) -> None:
        self.network, self.optimizer, self.clip_norm = network, optimizer, params.optimizer.clip_norm

    def __call__(self, add_gradient: Callable[[], Answer]) -> Answer:
        """Take the step.

        Args:
            add_gradient: adds the batch's gradient to that of the parameters; what it returns is returned.
        """
        answer = add_gradient()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return answer


class SharpnessAwareDescent(Descent):
    """A step along the gradient taken where the loss, by the first one, is highest within ρ.

    Source: Foret et al., 2021, arXiv:2010.01412, algorithm 1 with p = 2. The batch normalisation's running statistics
    are those of the first pass alone.
    """

    def __init__(self, network: nn.Module, optimizer: Optimizer, params: Params) -> None:
        super().__init__(network, optimizer, params)
        assert params.optimizer.sharpness is not None
        self.rho = params.optimizer.sharpness

    def __call__(self, add_gradient: Callable[[], Answer]) -> Answer:
        """Take the step; `add_gradient` is called twice, and what it returns at first is returned."""
        answer = add_gradient()
        weights: list[Tensor] = [weight for weight in self.network.parameters() if weight.grad is not None]
        gradient = [weight.grad for weight in weights if weight.grad is not None]
        before = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            length = torch.nn.utils.get_total_norm(gradient)
            torch._foreach_add_(weights, torch._foreach_mul(gradient, self.rho / (length + 1e-12)))
        self.optimizer.zero_grad(set_to_none=True)

        def add_gradient_of_the_highest_place() -> None:
            add_gradient()
            with torch.no_grad():
                torch._foreach_copy_(weights, before)

        with kept_running_statistics(self.network):
            super().__call__(add_gradient_of_the_highest_place)
        return answer


def make_descent(network: nn.Module, optimizer: Optimizer, params: Params) -> Descent:
    """What one step is."""
    kind = Descent if params.optimizer.sharpness is None else SharpnessAwareDescent
    return kind(network, optimizer, params)


@contextmanager
def kept_running_statistics(network: nn.Module) -> Iterator[None]:
    """Batch normalisation goes by the batch, but keeps its running mean and variance."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
