"""The machine's part: device, precision, determinism. What `auto` means is decided here, by measurement.

- precision `auto`: bfloat16 autocast where the GPU has it, float32 on a CPU.
- compile `auto`: off. On a CPU, `torch.compile` left the training speed of the ResNets unchanged and cost 30 to 45 s of
  warm-up.
"""

import ctypes
import os
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch

from tinyres.errors import UserError
from tinyres.params import Runtime

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


@dataclass(frozen=True)
class Machine:
    """What a run computes on."""

    device: torch.device
    bfloat16: bool
    compiles: bool

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        if self.bfloat16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()


def prepare_machine(runtime: Runtime) -> Machine:
    """Choose the device and set torch's global switches.

    Raises:
        UserError: CUDA was asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not has_cuda:
        raise UserError("runtime.device is 'cuda', but torch sees no CUDA GPU; use 'auto' or 'cpu'.")
    device = torch.device("cuda" if has_cuda and runtime.device != "cpu" else "cpu")
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
    return Machine(device, bfloat16, runtime.compile is True)


def keep_freed_memory() -> None:
    """Have glibc keep what torch frees on the CPU, for the next step to use again.

    By default it hands every large block back to the system, which then fetches and clears its pages anew: tens of
    thousands of page faults in each step, up to a quarter of its time. The peak is the same.
    """
    with suppress(OSError, AttributeError, TypeError):  # other C libraries have their own ways
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)  # large blocks from the heap as well
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # which never shrinks
