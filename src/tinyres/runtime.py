"""The machine's part: device, precision, determinism. What `auto` means is decided here, by measurement.

- precision `auto`: bfloat16 autocast where the GPU has it, float32 on a CPU.
- compile `auto`: off. On a CPU, `torch.compile` left the training speed of the ResNets unchanged and cost 30 to 45 s of
  warm-up.
"""

import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from tinyres.errors import UserError
from tinyres.params import Runtime

if TYPE_CHECKING:
    from tinyres.distributed import Together

Value = TypeVar("Value")

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


class Alone:
    """The only process of a training: number 0 of 1, with the methods of `tinyres.distributed.Together`."""

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


@dataclass(frozen=True)
class Machine:
    """What a run computes on."""

    device: torch.device
    bfloat16: bool
    compiles: bool
    ranks: "Alone | Together" = field(default_factory=Alone)
    """The processes that train together."""

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        if self.bfloat16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()


def prepare_machine(runtime: Runtime) -> Machine:
    """Choose the device and set torch's global switches.

    Raises:
        UserError: CUDA was asked for and there is none, or the processes cannot do together what was asked for.
    """
    has_cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not has_cuda:
        raise UserError("runtime.device is 'cuda', but torch sees no CUDA GPU; use 'auto' or 'cpu'.")
    device = torch.device("cuda" if has_cuda and runtime.device != "cpu" else "cpu")
    ranks: Alone | Together = Alone()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun has started this process
        device, ranks = join(device, runtime.sync_batch_norm)
    on_gpu = device.type == "cuda"
    if runtime.precision == "auto":
        bfloat16 = on_gpu and torch.cuda.is_bf16_supported()
    else:
        bfloat16 = runtime.precision == "bfloat16"
    if runtime.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = on_gpu and not runtime.deterministic
    keep_freed_memory()
    return Machine(device, bfloat16, runtime.compile is True, ranks)


def join(device: torch.device, sync_batch_norm: bool) -> "tuple[torch.device, Together]":
    """The device of this rank alone, and the ranks.

    Raises:
        UserError: batch normalisation cannot be brought together on this device.
    """
    from tinyres.distributed import Together, local_rank

    if device.type == "cuda":
        device = torch.device("cuda", local_rank())
    elif sync_batch_norm:
        raise UserError("runtime.sync_batch_norm is true, which PyTorch has for GPUs alone; set it to false.")
    return device, Together(device, sync_batch_norm)


def keep_freed_memory() -> None:
    """Have glibc keep what torch frees on the CPU, for the next step to use again.

    By default it hands every large block back to the system, which then fetches and clears its pages anew: tens of
    thousands of page faults in each step, up to a quarter of its time. The peak is the same.
    """
    with suppress(OSError, AttributeError, TypeError):  # other C libraries have their own ways
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)  # large blocks from the heap as well
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # which never shrinks
