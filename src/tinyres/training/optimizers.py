"""The optimizers by name. To add one: a function here, its line in `OPTIMIZERS`, and its name in the schema."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tinyres.params import Params

ParameterGroups = list[dict[str, Any]]
"""Parameters with their weight decay, as `torch.optim` takes them."""


def make_optimizer(network: nn.Module, params: Params) -> Optimizer:
    """The optimizer that `optimizer.name` names, over all trainable parameters of a network.

    It sees each weight in memory order. A fused kernel on a CPU would copy any other, such as those of channels-last
    convolutions, and spend half of its time on that. A step consumes the network's gradients.
    """
    groups = parameter_groups(network, params)
    weights = [weight for group in groups for weight in group["params"]]
    for group in groups:
        group["params"] = [weight.detach().permute(memory_order(weight)) for weight in group["params"]]
    optimizer = OPTIMIZERS[params.optimizer.name](groups, params)
    optimizer.register_step_pre_hook(lambda optimizer, *_: hand_over_gradients(weights, optimizer))
    return optimizer


def memory_order(weight: Tensor) -> tuple[int, ...]:
    """The dimensions from the slowest to the fastest varying: K, R, S, C for channels-last weights K×C×R×S."""
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        return 0, 2, 3, 1
    return tuple(range(weight.ndim))


def hand_over_gradients(weights: list[nn.Parameter], optimizer: Optimizer) -> None:
    """Give an optimizer the gradients of a network's weights, in the memory order of its own views of them."""
    views = [view for group in optimizer.param_groups for view in group["params"]]
    for weight, view in zip(weights, views, strict=True):
        view.grad = None if weight.grad is None else weight.grad.permute(memory_order(weight))
        weight.grad = None


def parameter_groups(network: nn.Module, params: Params) -> ParameterGroups:
    """All trainable parameters with the weight decay, or those of one dimension (biases, norms) without it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if params.optimizer.decays_norms_and_biases:
        return [{"params": trainable, "weight_decay": params.weight_decay}]
    spared = [parameter for parameter in trainable if parameter.ndim <= 1]
    decayed = [parameter for parameter in trainable if parameter.ndim > 1]
    return [{"params": decayed, "weight_decay": params.weight_decay}, {"params": spared, "weight_decay": 0.0}]


def _adamw(groups: ParameterGroups, params: Params) -> Optimizer:
    return torch.optim.AdamW(groups, lr=params.lr, fused=True)


def _sgd(groups: ParameterGroups, params: Params) -> Optimizer:
    momentum, nesterov = params.optimizer.momentum, params.optimizer.nesterov
    return torch.optim.SGD(groups, lr=params.lr, momentum=momentum, nesterov=nesterov, fused=True)


OPTIMIZERS: dict[str, Callable[[ParameterGroups, Params], Optimizer]] = {"adamw": _adamw, "sgd": _sgd}
"""By name: from groups of parameters and the parameters of the study. Fused kernels read the weights only once."""
