"""The optimizers by name. To add one: a function here, its line in `OPTIMIZERS`, and its name in the schema."""

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

from tinyres.params import Params

ParameterGroups = list[dict[str, object]]
"""Parameters with their weight decay, as `torch.optim` takes them."""


def make_optimizer(network: nn.Module, params: Params) -> Optimizer:
    """The optimizer that `optimizer.name` names, over all trainable parameters of a network."""
    return OPTIMIZERS[params.optimizer.name](parameter_groups(network, params), params)


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
