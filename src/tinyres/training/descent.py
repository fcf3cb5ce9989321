"""What makes up one step of the optimizer: plain descent, or sharpness-aware descent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from tinyres.params import Params

Answer = TypeVar("Answer")


class Descent:
    """One step along the gradient, whose norm is clipped to `clip_norm`."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, params: Params) -> None:
        self.network, self.optimizer, self.clip_norm = network, optimizer, params.optimizer.clip_norm

    def __call__(self, add_gradient: Callable[[], Answer]) -> Answer:
        """Take the step.

        Args:
            add_gradient: adds the batch's gradient to the parameters' gradients; its result is returned.
        """
        answer = add_gradient()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)  # the network's own are gone by then
        return answer


class SharpnessAwareDescent(Descent):
    """A step along the gradient at the weights, within distance ρ, where the first gradient expects the highest loss.

    Source: Foret et al., 2021, arXiv:2010.01412, algorithm 1 with p = 2. Batch normalisation's running statistics come
    from the first pass alone.
    """

    def __init__(self, network: nn.Module, optimizer: Optimizer, params: Params) -> None:
        super().__init__(network, optimizer, params)
        assert params.optimizer.sharpness is not None
        self.rho = params.optimizer.sharpness

    def __call__(self, add_gradient: Callable[[], Answer]) -> Answer:
        """Take the step; `add_gradient` is called twice, and the result of the first call is returned."""
        answer = add_gradient()
        weights: list[Tensor] = [weight for weight in self.network.parameters() if weight.grad is not None]
        gradient = [weight.grad for weight in weights if weight.grad is not None]
        before = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            length = torch.nn.utils.get_total_norm(gradient)
            torch._foreach_add_(weights, torch._foreach_mul(gradient, self.rho / (length + 1e-12)))
        self.network.zero_grad(set_to_none=True)

        def add_gradient_at_the_peak() -> None:
            add_gradient()
            with torch.no_grad():
                torch._foreach_copy_(weights, before)

        with kept_running_statistics(self.network):
            super().__call__(add_gradient_at_the_peak)
        return answer


def make_descent(network: nn.Module, optimizer: Optimizer, params: Params) -> Descent:
    """Plain descent, or sharpness-aware descent where `optimizer.sharpness` is given."""
    kind = Descent if params.optimizer.sharpness is None else SharpnessAwareDescent
    return kind(network, optimizer, params)


@contextmanager
def kept_running_statistics(network: nn.Module) -> Iterator[None]:
    """Normalise by the batch's statistics without updating the running ones."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
