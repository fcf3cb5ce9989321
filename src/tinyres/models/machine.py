"""The machine that a run computes on: device, precision, determinism. Measurements decided what `auto` means.

- precision `auto`: bfloat16 autocast where the GPU has it, float32 on a CPU.
- compile `auto`: off. On a CPU, `torch.compile` left the training speed of the ResNets unchanged and cost 30 to 45 s of
  warm-up.
- convolutions `auto`: our own kernels on a CPU that has them, in float32; PyTorch's elsewhere.
"""

import os
import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
import torchvision

from tinyres.common.errors import UserError
from tinyres.models.classifier import Classifier
from tinyres.models.memory import keep_freed_memory
from tinyres.models.processes import SingleProcess, join_processes
from tinyres.params import Runtime

if TYPE_CHECKING:
    from tinyres.models.process_group import ProcessGroup


@dataclass(frozen=True)
class Machine:
    """The device, precision and processes of a run."""

    device: torch.device
    bfloat16: bool
    compiles: bool
    processes: "SingleProcess | ProcessGroup" = field(default_factory=SingleProcess)
    """The processes that train one network together."""
    convolutions: Literal["torch", "winograd"] = "torch"
    """The method that computes the convolutions."""

    def prepare(self, classifier: Classifier) -> Classifier:
        """The classifier itself, moved to the device, its convolutions computed by the chosen method."""
        if self.convolutions == "winograd":
            from tinyres.models.accelerated import accelerate  # compiles, and is of no use on a GPU

            accelerate(classifier.network)
        return classifier.to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward passes."""
        if self.bfloat16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def environment(self) -> str:
        """What else a result may depend on, besides code, parameters and data: versions and processor."""
        if self.device.type == "cuda":
            processor = torch.cuda.get_device_name(self.device)
        else:
            processor = f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
        by = f", {self.convolutions} convolutions" if self.device.type == "cpu" else ""
        return (
            f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
            f"CUDA {torch.version.cuda or 'none'}, {processor}{by}"
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
        UserError: torch does not see the device, our own convolutions were asked for but are not available, or several
            processes cannot do what was asked for.
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
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS requires
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = on_gpu and not runtime.deterministic
    keep_freed_memory()
    compiles = runtime.compile is True
    convolutions = choose_convolutions(runtime.convolutions, device.type == "cpu" and not bfloat16 and not compiles)
    return Machine(device, bfloat16, compiles, processes, convolutions)


def choose_convolutions(
    choice: Literal["auto", "torch", "winograd"], covered: bool = True
) -> Literal["torch", "winograd"]:
    """Our own kernels, if they are wanted, cover the computation and are available on this machine.

    Raises:
        UserError: they were asked for by name, but are not available.
    """
    if choice == "torch" or (choice == "auto" and not covered):
        return "torch"
    if not covered:
        raise UserError(
            "runtime.convolutions is 'winograd', which is for CPUs, in float32 and without torch.compile; "
            "set it to 'auto'."
        )
    from tinyres.convolutions import Unavailable, kernels

    try:
        kernels()
    except Unavailable as reason:
        if choice == "winograd":
            raise UserError(f"runtime.convolutions is 'winograd', but {reason}; or set it to 'auto'.") from None
        say_once(f"Convolutions are left to PyTorch, which takes about twice as long: {reason}.")
        return "torch"
    return "winograd"


@cache
def say_once(sentence: str) -> None:
    """Print a sentence to stderr once per process; of several processes only the first prints."""
    if os.environ.get("RANK", "0") == "0":
        print(sentence, file=sys.stderr, flush=True)
