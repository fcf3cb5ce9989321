"""The processes that train one network: this one alone, or those that torchrun started."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from tinyres.common.errors import UserError

if TYPE_CHECKING:
    from tinyres.models.process_group import ProcessGroup

Value = TypeVar("Value")


class SingleProcess:
    """The only process of a training: number 0 of 1, with the methods of `ProcessGroup`."""

    rank, size = 0, 1

    def replicate(self, classifier: nn.Module) -> Callable[[Tensor], Tensor]:
        """The classifier itself."""
        return classifier

    def sum(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def minimum(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def from_first(self, value: Value) -> Value:
        """The value itself."""
        return value


def join_processes(device: torch.device, sync_batch_norm: bool) -> "tuple[torch.device, ProcessGroup]":
    """Join the processes that torchrun started: the device of this one, and the group.

    Raises:
        UserError: batch normalisation cannot be synchronised on this device.
    """
    from tinyres.models.process_group import ProcessGroup, local_rank

    if device.type == "cuda":
        device = torch.device("cuda", local_rank())
    elif sync_batch_norm:
        raise UserError("runtime.sync_batch_norm is true, which PyTorch has for GPUs alone; set it to false.")
    return device, ProcessGroup(device, sync_batch_norm)
