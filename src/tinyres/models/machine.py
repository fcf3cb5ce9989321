"""What a run computes on: device, precision, determinism. What `auto` means is decided here, by measurement.

- precision `auto`: bfloat16 autocast where the GPU has it, float32 on a CPU.
- compile `auto`: off. On a CPU, `torch.compile` left the training speed of the ResNets unchanged and cost 30 to 45 s of
  warm-up.
"""

import os
import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torchvision

from tinyres.common.errors import UserError
from tinyres.models.memory import keep_freed_memory
from tinyres.models.processes import SingleProcess, join_processes
from tinyres.params import Runtime

if TYPE_CHECKING:
    from tinyres.models.process_group import ProcessGroup


@dataclass(frozen=True)
class Machine:
    """What a run computes on."""

    device: torch.device
    bfloat16: bool
    compiles: bool
    processes: "SingleProcess | ProcessGroup" = field(default_factory=SingleProcess)
    """Those that train one network together."""

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        if self.bfloat16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def environment(self) -> str:
        """What a result may depend on besides code, parameters and data: versions and processor."""
        if self.device.type == "cuda":
            processor = torch.cuda.get_device_name(self.device)
        else:
            processor = f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
        return (
            f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
            f"CUDA {torch.version.cuda or 'none'}, {processor}"
        )


def choose_device(wanted: str) -> torch.device:
    """The device that `runtime.device` names: `auto` takes a CUDA GPU, else Apple's MPS, else the CPU.

    Raises:
        UserError: torch does not see the device that was asked for.
    """
    sees = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(name for name in sees if sees[name]) if wanted == "auto" else wanted
    if not sees[name]:
        kind = {"cuda": "CUDA GPU", "mps": "Apple GPU"}[name]
        raise UserError(f"runtime.device is {name!r}, but torch sees no {kind}; use 'auto' or 'cpu'.")
    if name == "mps":
        print("note: tinyres was never tested on Apple's MPS; set runtime.device to cpu if it fails.", file=sys.stderr)
    return torch.device(name)


def prepare_machine(runtime: Runtime) -> Machine:
    """Choose the device and set torch's global switches.

    Raises:
        UserError: torch does not see the device, or several processes cannot do what was asked for.
    """
    device = choose_device(runtime.device)
    processes: SingleProcess | ProcessGroup = SingleProcess()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun has started this process
        device, processes = join_processes(device, runtime.sync_batch_norm)
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
    return Machine(device, bfloat16, runtime.compile is True, processes)
