"""What the kernels of `tinyres.convolutions` bring on a CPU, against PyTorch's own convolutions in the same process
(`runtime.convolutions: torch`), whose optimizer and memory are already ours. First whole steps of our trainer, with
augmentation, and the forward pass alone; then each convolution of the two ResNets and the report's CNN by itself, as
the time of forward pass, image gradient and weight gradient together. Layers that the kernels leave to torch are not
listed."""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.growth import train_a_little
from benchmarks.measure import Figure, instruction_set, interleave, median, ratios, spread
from benchmarks.networks import SIZE, make_network
from benchmarks.setting import NETWORKS, Setting, epoch_seconds, first, make_trainer
from tinyres.common.dataset import Split, write_split
from tinyres.common.pixels import channels_first
from tinyres.convolutions.functional import conv2d, plan
from tinyres.models.inference import BATCH_SIZE, logits_of
from tinyres.models.machine import Machine, choose_convolutions

TITLE = "Convolutions"
REPETITIONS = 7
SHORTEST = 0.05  # seconds that a layer is timed for; a call may take less than the clock's noise
PASSES = ("forward", "image gradient", "weight gradient")


@dataclass(frozen=True)
class Step:
    """A training whose steps are timed."""

    what: str
    network: str
    images: int
    """An epoch of some seconds."""
    batch_size: int
    every: int
    """Every so many rows and columns of CIFAR-100's images."""
    targets: dict[str, str]
    """By instruction set."""


STEPS = [
    Step("step of the modified ResNet-18, batch 64", "modified", 192, 64, 1, {"AVX2": "≥ 2", "AVX512": "≥ 1.5"}),
    Step("step of the standard ResNet-18, batch 64", "baseline", 1280, 64, 1, {"AVX2": "≥ 2.5", "AVX512": "≥ 1.5"}),
    Step("step of Wide ResNet 16-8, batch 64", "wide", 128, 64, 1, {"AVX2": "≥ 1.5", "AVX512": "≥ 1.2"}),
    Step("step of the report's CNN, batch 32", "cnn", 3200, 32, 1, {}),
    Step("step of the modified ResNet-18, 8×8 images", "modified", 1280, 64, 4, {"AVX2": "≥ 3", "AVX512": "≥ 1.5"}),
    Step("step of the standard ResNet-18, 8×8 images", "baseline", 2560, 64, 4, {"AVX2": "≥ 3", "AVX512": "≥ 1.5"}),
]


@dataclass(frozen=True)
class Shape:
    """The shape of a convolution of a network at batch 64."""

    images: tuple[int, ...]
    """B×C×H×W."""
    weight: tuple[int, ...]
    """K×C×R×S."""
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __str__(self) -> str:
        size = "×".join(map(str, self.images[2:]))
        kernel = "×".join(map(str, self.weight[2:]))
        return f"{self.weight[1]} → {self.weight[0]}, {kernel}, stride {self.stride[0]}, on {size}"


def measure(setting: Setting) -> list[Figure]:
    """Ratios of steps, of the forward pass, of memory and of each layer; none where the kernels are of no use."""
    if setting.on_gpu or choose_convolutions("auto") == "torch":
        return []
    steps = [step_ratio(setting, step) for step in STEPS]
    return [*steps, forward_ratio(setting), memory_ratio(setting), start_up(), *layer_ratios()]


def machines(machine: Machine) -> dict[str, Machine]:
    """The machine with either kind of convolution."""
    return {name: replace(machine, convolutions=name) for name in ("torch", "winograd")}


def step_ratio(setting: Setting, step: Step) -> Figure:
    """torch's time for an epoch of steps over the kernels'."""
    split = first(setting.images, step.images)
    split = Split(split.images[:, :: step.every, :: step.every].copy(), split.labels)
    trainers = {
        name: make_trainer(step.network, split, step.batch_size, machine)
        for name, machine in machines(setting.machine).items()
    }
    contenders = {name: partial(epoch_seconds, trainer) for name, trainer in trainers.items()}
    return compare(step.what, contenders, step.targets, step.images / step.batch_size)


def forward_ratio(setting: Setting) -> Figure:
    """torch's time for the answers of the modified ResNet-18 over the kernels'."""
    images = channels_first(setting.images.images[:BATCH_SIZE])
    contenders = {}
    for name, machine in machines(setting.machine).items():
        classifier = make_trainer("modified", first(setting.images, 64), 64, machine).classifier
        contenders[name] = partial(timed, partial(logits_of, classifier, images, BATCH_SIZE, machine))
    what = f"forward pass of the modified ResNet-18, batch {BATCH_SIZE}"
    return compare(what, contenders, {"AVX2": "≥ 1.5", "AVX512": "≥ 1.2"})


def memory_ratio(setting: Setting) -> Figure:
    """The kernels' peak memory over torch's, in processes that take the last steps of an epoch of all images."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        write_split(Path(folder) / "train", setting.images)
        for name in machines(setting.machine):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                run = partial(train_a_little, Path(folder) / "train", **{"runtime.convolutions": name})
                peaks[name], _ = pool.submit(run).result()
    detail = f"{peaks['winograd']:.2f} against {peaks['torch']:.2f} GB with {len(setting.images):,} images"
    what = "peak memory of the process, modified ResNet-18"
    return Figure(what, peaks["winograd"] / peaks["torch"], "×", "< 1.1", detail)


def start_up() -> Figure:
    """Seconds that the kernels add to a process that trains, once they are compiled."""
    seconds = [float(subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True).stdout)
               for _ in range(REPETITIONS)]  # fmt: skip
    detail = f"{len(seconds)} processes from {min(seconds):.2f} to {max(seconds):.2f} s"
    return Figure("start-up: loading the kernels", median(seconds), " s", "< 0.2", detail)


def compare(
    what: str, contenders: Mapping[str, Callable[[], float]], targets: dict[str, str], calls: float = 1
) -> Figure:
    """The ratio of torch's time to the kernels'; both in ms per call."""
    seconds = interleave(contenders, REPETITIONS)
    pairs = ratios(seconds["torch"], seconds["winograd"])
    ours, theirs = (1000 * median(seconds[name]) / calls for name in ("winograd", "torch"))
    detail = f"{theirs:.1f} against {ours:.1f} ms; {spread(pairs)}"
    return Figure(what, median(pairs), "×", targets.get(instruction_set(), ""), detail)


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def layer_ratios() -> list[Figure]:
    """One figure for each shape of convolution that the kernels cover."""
    return [
        layer_ratio(network, shape)
        for network in NETWORKS
        for shape in shapes_of(network)
        if plan(shape.images, shape.weight, shape.stride, shape.padding) is not None
    ]


def shapes_of(network: str, batch_size: int = 64) -> list[Shape]:
    """The different convolutions of a network, from the first to the last."""
    shapes: dict[Shape, None] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(layer.padding, tuple)
        shapes[Shape(tuple(inputs[0].shape), tuple(layer.weight.shape), layer.stride, layer.padding)] = None

    built = make_network(network).to("meta")
    for layer in built.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(note)
    built(torch.empty(batch_size, 3, *SIZE, device="meta"))
    return list(shapes)


def layer_ratio(network: str, shape: Shape) -> Figure:
    """torch's time for the three passes of a layer over the kernels'; the first layer needs no image gradient."""
    passes = {name: layer_passes(shape, convolve) for name, convolve in CONVOLVE.items()}
    wanted = [each for each in PASSES if each in passes["torch"]]
    contenders = {f"{name} {each}": partial(seconds_of, passes[name][each]) for name in passes for each in wanted}
    seconds = interleave(contenders, REPETITIONS)
    by_pass = {each: ratios(seconds[f"torch {each}"], seconds[f"winograd {each}"]) for each in wanted}
    total = {name: [sum(parts) for parts in zip(*(seconds[f"{name} {each}"] for each in wanted), strict=True)]
             for name in passes}  # fmt: skip
    pairs = ratios(total["torch"], total["winograd"])
    parts = ", ".join(f"{each} {median(by_pass[each]):.2f}×" for each in wanted)
    ours = 1000 * median(total["winograd"])
    detail = f"{parts}; {1000 * median(total['torch']):.2f} against {ours:.2f} ms; {spread(pairs)}"
    return Figure(f"{NETWORKS[network]}: {shape}", median(pairs), "×", "", detail)


def layer_passes(shape: Shape, convolve: Callable[..., Tensor]) -> dict[str, Callable[[], object]]:
    """The passes of a convolution by name, each ready to be called."""
    images = torch.randn(shape.images).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(shape.weight).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn_like(convolve(images, weight, None, shape.stride, shape.padding))

    def backward(of_images: bool) -> Callable[[], object]:
        x, w = images.clone().requires_grad_(of_images), weight.clone().requires_grad_(not of_images)
        result = convolve(x, w, None, shape.stride, shape.padding)
        wanted = x if of_images else w
        return lambda: torch.autograd.grad(result, wanted, gradient, retain_graph=True)

    passes: dict[str, Callable[[], object]] = {
        "forward": lambda: convolve(images, weight, None, shape.stride, shape.padding),
        "weight gradient": backward(of_images=False),
    }
    if shape.images[1] > 3:
        passes["image gradient"] = backward(of_images=True)
    return passes


START = """
import time
import tinyres.training.run
started = time.perf_counter()
from tinyres.convolutions import kernels
import tinyres.models.accelerated
kernels()
print(time.perf_counter() - started)
"""
CONVOLVE: dict[str, Callable[..., Tensor]] = {"torch": torch.nn.functional.conv2d, "winograd": conv2d}


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds per call, over as many calls as take `SHORTEST`."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SHORTEST or not calls:
        call()
        calls += 1
    return elapsed / calls
