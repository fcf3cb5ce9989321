"""Convolution, max-pooling and batch normalisation as functions of tensors, with gradients, by the kernels or by torch.

The kernels take float32 in channels-last order, on the CPU. Everything else (other types, autocast, channels that are
no multiple of 16, dilation, groups, tracing, gradients of gradients) goes to torch, so that every call that torch takes
has torch's result.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyres.convolutions.compiling import kernels

PANEL = 16  # channels that the kernels process together
LARGEST_KERNEL = 8  # taps in each direction that a gathered product can have

# Where the kernels beat oneDNN, measured on AVX-512 and AVX2 (`python -m benchmarks convolutions`).
FEWEST_TILES = 16  # of Winograd's; with fewer, transforming the weights costs more than the saved products
MOST_PIXELS = 16  # of an output that is gathered; in small ones the kernel often meets padding
SMALL_CALL = 2**26  # multiplications; below, gathering wins for larger outputs too
LONGEST_ROW = 16  # inputs of an output pixel, where channels are no multiple of 16

Pair = tuple[int, ...]  # vertical, horizontal


class Layer(ctypes.Structure):
    """A convolution's shape, as `kernels.cpp` reads it."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("images", "height", "width", "channels_in", "channels_out", "kernel_height", "kernel_width"),
            *("stride_height", "stride_width", "padding_height", "padding_width", "height_out", "width_out"),
        )
    ]


class Rows(ctypes.Structure):
    """The pixels of all images, each with its channels, as `kernels.cpp` reads them."""

    _fields_ = [("count", ctypes.c_int64), ("channels", ctypes.c_int64)]


Kernel = tuple[Any, ...]  # a name in `kernels.cpp`, the layer, and the side of Winograd's tiles if it takes any


@dataclass(frozen=True)
class Plan:
    """How one convolution is computed."""

    forward: Kernel
    image_gradient: Kernel | None
    """None leaves it to torch."""
    weight_gradient: Kernel
    stride: Pair
    padding: Pair
    image_shape: Sequence[int]
    weight_shape: Sequence[int]
    result_shape: Sequence[int]


@lru_cache(maxsize=1024)
def plan(images: Sequence[int], weight: Sequence[int], stride: Pair, padding: Pair) -> Plan | None:
    """How to convolve images B×C×H×W with weights K×C×R×S, or None to leave it to torch."""
    count, channels, *size = images
    out_channels, in_channels, *kernel = weight
    out = sizes_out(size, kernel, stride, padding)
    if in_channels != channels or min(count, channels, *out) < 1 or not out_channels or out_channels % PANEL:
        return None
    layer = ctypes.byref(Layer(count, *size, channels, out_channels, *kernel, *stride, *padding, *out))

    def planned(forward: Kernel, image_gradient: Kernel | None, weight_gradient: Kernel) -> Plan:
        shapes = tuple(images), tuple(weight), (count, out_channels, *out)
        return Plan(forward, image_gradient, weight_gradient, stride, padding, *shapes)

    if channels % PANEL:
        if channels * prod(kernel) > LONGEST_ROW:
            return None
        return planned(("shallow_forward", layer), None, ("shallow_weight_gradient", layer))
    if kernel == [3, 3] and stride == (1, 1) and padding in ((0, 0), (1, 1), (2, 2)) and prod(out) > 1:
        side, gradient_side = best_tile(out), best_tile(size)
        if any(count * tiles(each, out) < FEWEST_TILES for each in (side, gradient_side)):
            return None
        return planned(
            ("winograd_forward", layer, side),
            ("winograd_image_gradient", layer, gradient_side),
            ("winograd_weight_gradient", layer, side),
        )
    products = count * prod(out) * prod(weight)
    if max(*kernel, *stride) > LARGEST_KERNEL or (prod(out) > MOST_PIXELS and products > SMALL_CALL):
        return None
    return planned(("gathered_forward", layer), ("gathered_image_gradient", layer), ("gathered_weight_gradient", layer))


def sizes_out(size: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Pair) -> list[int]:
    """Height and width of the result of a convolution or pooling."""
    return [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)]


def best_tile(size: Sequence[int]) -> int:
    """The side of Winograd's tiles that needs fewer products for an output of this size; the smaller one, which is more
    exact, in a tie."""
    return min((2, 4), key=lambda side: (side + 2) ** 2 * tiles(side, size))


def tiles(side: int, size: Sequence[int]) -> int:
    """How many squares of this side cover an image."""
    return prod(ceil(n / side) for n in size)


def conv2d(
    images: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Tensor:
    """`torch.nn.functional.conv2d` without dilation and groups."""
    how = None
    if images.ndim == 4 and covered(images, weight):
        how = plan(tuple(images.shape), tuple(weight.shape), tuple(stride), tuple(padding))
    if how is None:
        return F.conv2d(images, weight, bias, stride, padding)
    result: Tensor = Convolution.apply(channels_last(images), channels_last(weight), how)
    return result if bias is None else result + bias.view(-1, 1, 1)


def covered(*tensors: Tensor) -> bool:
    """Whether the kernels may see these tensors: plain ones of float32 on the CPU, while nothing traces or
    transforms the operations on them."""
    return (
        all(
            type(tensor) in (Tensor, nn.Parameter) and tensor.dtype == torch.float32 and tensor.device.type == "cpu"
            for tensor in tensors
        )
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._get_tracing_state()
        and not torch.compiler.is_compiling()
    )


def channels_last(tensor: Tensor) -> Tensor:
    """The tensor, or a copy with a gradient, in the order N×H×W×C."""
    return tensor.contiguous(memory_format=torch.channels_last)


def empty(shape: Sequence[int]) -> Tensor:
    """Uninitialised memory for a result, N×H×W×C."""
    return torch.empty(shape, memory_format=torch.channels_last)


def run(name: str, *arguments: Any) -> None:
    """Call a kernel; a tensor is passed as the address of its first element.

    Raises:
        MemoryError: the kernel's scratch memory cannot be allocated.
    """
    converted = [ctypes.c_void_p(each.data_ptr()) if isinstance(each, Tensor) else each for each in arguments]
    if not getattr(kernels(), name)(*converted, torch.get_num_threads()):
        raise MemoryError(f"no memory for {name}")


class Convolution(torch.autograd.Function):
    """A planned convolution of channels-last tensors."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, how: Plan) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.how = how
        result = empty(how.result_shape)
        run(*how.forward, images, weight, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        wanted, how = ctx.needs_input_grad, ctx.how
        of_images = of_weight = None
        again = torch.is_grad_enabled() or not covered(gradient)  # a gradient of this gradient is wanted
        to_torch = wanted[0] and (again or how.image_gradient is None), wanted[1] and again, False
        if any(to_torch):
            of_images, of_weight, _ = torch.ops.aten.convolution_backward(
                gradient, images, weight, None, how.stride, how.padding, (1, 1), False, (0, 0), 1, to_torch
            )
        gradient = channels_last(gradient)
        if wanted[0] and not to_torch[0]:
            of_images = empty(how.image_shape)
            run(*how.image_gradient, gradient, weight, of_images)
        if wanted[1] and not to_torch[1]:
            of_weight = empty(how.weight_shape)
            run(*how.weight_gradient, images, gradient, of_weight)
        return of_images, of_weight, None


def max_pool2d(images: Tensor, kernel: Pair, stride: Pair, padding: Pair, padded: bool = False) -> Tensor | None:
    """The largest value of each window, or None where torch has to find it.

    Args:
        images: B×C×H×W.
        kernel: of the window.
        stride: from one window to the next.
        padding: on each side, of −∞.
        padded: whether images are padded on the right and at the bottom, so that the result is as large as they are;
            for a stride of 1.
    """
    if images.ndim != 4 or images.shape[1] % PANEL or not images.numel() or not covered(images):
        return None
    count, channels, *size = images.shape
    out = size if padded else sizes_out(size, kernel, stride, padding)
    if min(out) < 1 or any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        return None
    layer = Layer(count, *size, channels, channels, *kernel, *stride, *padding, *out)
    result: Tensor = MaxPool.apply(channels_last(images), layer, padded)
    return result


class MaxPool(torch.autograd.Function):
    """Max-pooling of channels-last tensors."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, layer: Layer, padded: bool) -> Tensor:
        result = empty((layer.images, layer.channels_out, layer.height_out, layer.width_out))
        run("max_pool", ctypes.byref(layer), images, result)
        ctx.save_for_backward(images, result)
        ctx.layer, ctx.padded = layer, padded
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        images, result = ctx.saved_tensors
        layer = ctx.layer
        if torch.is_grad_enabled() or not covered(gradient):
            kernel = layer.kernel_height, layer.kernel_width
            more = [kernel[1] - 1, kernel[0] - 1] if ctx.padded else [0, 0]
            with torch.enable_grad():
                whole = F.pad(images, (0, more[0], 0, more[1]), value=-torch.inf)
                stride, padding = (layer.stride_height, layer.stride_width), (layer.padding_height, layer.padding_width)
                again = F.max_pool2d(whole, kernel, stride, padding)
                (of_images,) = torch.autograd.grad(again, images, gradient, create_graph=True)
            return of_images, None, None
        of_images = torch.empty_like(images)
        run("max_pool_gradient", ctypes.byref(layer), channels_last(gradient), images, result, of_images)
        return of_images, None, None


def batch_norm(
    images: Tensor, norm: nn.BatchNorm2d, residual: Tensor | None = None, rectify: bool = True
) -> Tensor | None:
    """ReLU (if `rectify`) of the normalised images plus the residual, in one pass; running statistics are updated as
    the layer itself does. None, and nothing done, where torch has to do it.

    Args:
        images: B×C×H×W.
        norm: the layer whose weights, statistics and mode count.
        residual: B×C×H×W.
    """
    trains = norm.training or norm.running_mean is None
    parts = (images, residual, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    if (
        images.ndim != 4
        or norm.weight is None
        or images.shape[1] % PANEL
        or images.shape[1] != norm.num_features
        or (residual is not None and residual.shape != images.shape)
        or images.numel() <= images.shape[1] * trains
        or not covered(*(each for each in parts if each is not None))
    ):
        return None
    momentum = 0.0 if norm.momentum is None else norm.momentum
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:
            momentum = 1.0 / float(norm.num_batches_tracked)
    result: Tensor = Normalisation.apply(
        *(channels_last(images), None if residual is None else channels_last(residual), norm.weight, norm.bias),
        *(norm.running_mean, norm.running_var, trains, momentum, norm.eps, rectify),
    )
    return result


class Normalisation(torch.autograd.Function):
    """Batch normalisation, addition and ReLU of channels-last tensors."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        trains: bool,
        momentum: float,
        epsilon: float,
        rectify: bool,
    ) -> Tensor:
        rows = Rows(images.numel() // images.shape[1], images.shape[1])
        if trains:
            mean, inverse_deviation = torch.empty_like(weight), torch.empty_like(weight)
            run(
                *("batch_statistics", ctypes.byref(rows), images, running_mean, running_variance),
                *(ctypes.c_float(momentum), ctypes.c_float(epsilon), mean, inverse_deviation),
            )
        else:
            assert running_mean is not None
            assert running_variance is not None
            mean, inverse_deviation = running_mean.clone(), (running_variance + epsilon).rsqrt()
        result = torch.empty_like(images)
        run(
            *("normalise", ctypes.byref(rows), images, residual, weight, bias, mean, inverse_deviation),
            *(int(rectify), result),
        )
        ctx.save_for_backward(images, residual, weight, bias, mean, inverse_deviation, result if rectify else None)
        ctx.rows, ctx.trains, ctx.epsilon = rows, trains, epsilon
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, _, weight, bias, mean, inverse_deviation, result = ctx.saved_tensors
        if torch.is_grad_enabled() or not covered(gradient):
            return (*differentiable_gradients(ctx, gradient), *[None] * 6)
        of_images = torch.empty_like(images) if ctx.needs_input_grad[0] else None
        of_residual = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(bias)
        run(
            *("normalise_gradient", ctypes.byref(ctx.rows), channels_last(gradient), images, result, weight),
            *(mean, inverse_deviation, int(ctx.trains), of_images, of_residual, of_weight, of_bias),
        )
        return (of_images, of_residual, of_weight, of_bias, *[None] * 6)


def differentiable_gradients(ctx: Any, gradient: Tensor) -> list[Tensor | None]:
    """The gradients of `Normalisation` with respect to images, residual, weight and bias, by torch's own operations."""
    images, residual, weight, bias, mean, inverse_deviation, result = ctx.saved_tensors
    with torch.enable_grad():
        if ctx.trains:
            again = F.batch_norm(images, None, None, weight, bias, True, 0.0, ctx.epsilon)
        else:
            shape = (-1, 1, 1)
            again = (images - mean.view(shape)) * (weight * inverse_deviation).view(shape) + bias.view(shape)
        again = again if residual is None else again + residual
        again = again if result is None else again.relu()
        inputs = [images, residual, weight, bias]
        wanted = [each for each, needs in zip(inputs, ctx.needs_input_grad, strict=False) if needs]
        found = iter(torch.autograd.grad(again, wanted, gradient, create_graph=True))
    return [next(found) if needs else None for needs in ctx.needs_input_grad[:4]]
