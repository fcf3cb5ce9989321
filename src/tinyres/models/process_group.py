"""Several processes that train one network, as torchrun starts them: their numbers, and what they exchange.

Each takes its share of every batch; PyTorch's `DistributedDataParallel` takes the mean of their gradients. Only
processes that torchrun has started import this.
"""

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, rendezvous  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")

PATIENCE = timedelta(seconds=60)  # with a silent process; far longer than any work between two exchanges


class ProcessGroup:
    """The processes of one training, of which this is number `rank` of `size`, on a device of its own.

    Raises:
        RuntimeError: by every method, within a minute, when another process has ended or cannot be reached.
    """

    def __init__(self, device: torch.device, sync_batch_norm: bool) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        store, self.rank, self.size = next(rendezvous("env://", timeout=PATIENCE))
        backend = "nccl" if device.type == "cuda" else "gloo"
        torch.distributed.init_process_group(
            backend, store=of_this_attempt(store), rank=self.rank, world_size=self.size, timeout=PATIENCE
        )
        atexit.register(torch.distributed.destroy_process_group)
        self.device, self.sync_batch_norm = device, sync_batch_norm

    def replicate(self, classifier: nn.Module) -> Callable[[Tensor], Tensor]:
        """The classifier as one of several replicas, whose backward pass averages the gradients of all."""
        if self.sync_batch_norm:
            nn.SyncBatchNorm.convert_sync_batchnorm(classifier)
        return DistributedDataParallel(classifier)

    def sum(self, values: Tensor) -> Tensor:
        """Reduce the values of all processes, in place; every process gets the result."""
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.SUM)
        return values

    def minimum(self, values: Tensor) -> Tensor:
        """Reduce the values of all processes, in place; every process gets the result."""
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MIN)
        return values

    def from_first(self, value: Value) -> Value:
        """The value that process 0 has, in every process."""
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


def of_this_attempt(store: Store) -> Store:
    """The part of torchrun's store that processes started now use.

    On a single machine, torchrun keeps the store when it starts processes again (`--max-restarts`), and with it the
    addresses of those that died; for several machines it makes a new one.
    """
    if os.environ["GROUP_WORLD_SIZE"] != "1":
        return store
    return PrefixStore(f"attempt_{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)


def local_rank() -> int:
    """The number of this process on its machine, which is also the number of its GPU."""
    return int(os.environ["LOCAL_RANK"])
