"""Convolution and batch normalisation by the kernels: torch's results in float64, to within a few of its own errors."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tinyres.convolutions import Unavailable, compiling, functional
from tinyres.convolutions.functional import batch_norm, channels_last, conv2d, max_pool2d, plan


def instruction_sets() -> list[str]:
    """All that this machine has: AVX2 is a part of AVX-512."""
    try:
        best = compiling.instruction_set()
    except Unavailable:
        return []
    return list(compiling.INSTRUCTION_SETS)[list(compiling.INSTRUCTION_SETS).index(best) :]


@pytest.fixture(params=instruction_sets(), autouse=True, scope="module")
def kernels(request):
    """Each instruction set in turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "instruction_set", lambda: request.param)
        compiling.kernels.cache_clear()
        yield compiling.kernels()
    compiling.kernels.cache_clear()


def results(images: Tensor, weight: Tensor, function, gradient: Tensor) -> list[Tensor]:
    """What a function of images and weights gives, and both gradients."""
    images, weight = (each.detach().clone().requires_grad_() for each in (images, weight))
    result = function(images, weight)
    result.backward(gradient)
    return [result.detach(), images.grad, weight.grad]


def error(found: Tensor, exact: Tensor) -> float:
    """Of a whole tensor, relative to its norm."""
    return ((found.double() - exact).norm() / exact.norm().clamp(min=1e-30)).item()


TIMES_TORCH = 8  # what Winograd's method loses against the direct one, with the points that it takes here
ROUNDING = 2**-24  # of float32, where torch's own error is an accident of few terms


@st.composite
def layers(draw):
    """Shapes of images and weights, stride and padding, of any layer that the kernels take."""
    channels = st.sampled_from([16, 32, 48, 64])
    first = st.sampled_from([1, 3, 5])  # of a network's first layer
    kernel, stride, padding = (
        (draw(st.integers(least, most)), draw(st.integers(least, most))) for least, most in ((1, 4), (1, 3), (0, 2))
    )
    if draw(st.booleans()):
        kernel, stride, padding = (3, 3), (1, 1), 2 * (draw(st.integers(0, 2)),)
    size = draw(st.tuples(st.integers(1, 13), st.integers(1, 13)))
    assume(all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding, strict=True)))
    images = (draw(st.integers(1, 20)), draw(channels | first), *size)
    return images, (draw(channels), images[1], *kernel), stride, padding


@given(layers(), st.integers(0, 2**31))
@settings(max_examples=150)
def test_a_convolution_and_its_gradients_are_torchs_to_within_a_few_of_its_errors(layer, seed):
    shape, weight_shape, stride, padding = layer
    assume(plan(shape, weight_shape, stride, padding) is not None)
    torch.manual_seed(seed)
    images, weight = torch.randn(shape), torch.randn(weight_shape)
    gradient = torch.randn_like(F.conv2d(images, weight, None, stride, padding))
    exact, direct, ours = (
        results(
            images.to(dtype), weight.to(dtype), lambda x, w, f=f: f(x, w, None, stride, padding), gradient.to(dtype)
        )
        for f, dtype in ((F.conv2d, torch.float64), (F.conv2d, torch.float32), (conv2d, torch.float32))
    )
    for found, usual, true in zip(ours, direct, exact, strict=True):
        assert found.shape == usual.shape
        assert error(found, true) <= TIMES_TORCH * (error(usual, true) + ROUNDING)


@pytest.mark.parametrize(
    ("shape", "tile"),
    [
        ((64, 64, 32, 32), [4]),
        ((64, 512, 4, 4), [4]),
        ((64, 64, 6, 6), [2]),
        ((64, 256, 2, 2), [2]),
        ((64, 512, 1, 1), []),
    ],
)
def test_the_method_follows_the_number_of_products(shape, tile):
    assert list(plan(shape, (64, shape[1], 3, 3), (1, 1), (1, 1)).forward[2:]) == tile


def test_a_kernel_on_one_pixel_gets_a_gradient_of_zero_where_it_meets_padding():
    images, weight = torch.randn(5, 16, 1, 1), torch.randn(32, 16, 3, 3)
    _, _, gradient = results(images, weight, lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)), torch.ones(5, 32, 1, 1))
    middle = gradient[:, :, 1, 1].clone()
    gradient[:, :, 1, 1] = 0
    assert not gradient.any()
    torch.testing.assert_close(middle, images.sum((0, 2, 3)).expand(32, 16))


@pytest.mark.parametrize("order", ["contiguous", "channels_last", "every other pixel", "transposed"])
def test_images_may_lie_in_any_order(order):
    images, weight = torch.randn(4, 16, 9, 9), torch.randn(32, 16, 3, 3)
    lying = {
        "contiguous": lambda x: x,
        "channels_last": channels_last,
        "every other pixel": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
        "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    }[order](images)
    expected = conv2d(images, weight, None, (1, 1), (1, 1))
    assert torch.equal(conv2d(lying, weight, None, (1, 1), (1, 1)), expected)


def test_a_bias_is_added():
    images, weight, bias = torch.randn(4, 16, 5, 5), torch.randn(32, 16, 3, 3), torch.randn(32)
    torch.testing.assert_close(
        conv2d(images, weight, bias, (1, 1), (1, 1)), F.conv2d(images, weight, bias, 1, 1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("frozen", "other"), [(0, 1), (1, 0)])
def test_a_gradient_that_nobody_wants_is_not_computed(frozen, other, monkeypatch):
    called = []
    monkeypatch.setattr(
        functional, "run", lambda name, *rest, run=functional.run: (called.append(name), run(name, *rest))
    )
    leaves = [torch.randn(4, 16, 8, 8), torch.randn(16, 16, 3, 3)]
    leaves[other].requires_grad_()
    conv2d(*leaves, None, (1, 1), (1, 1)).sum().backward()
    assert leaves[frozen].grad is None
    assert leaves[other].grad is not None
    assert len(called) == 2


@pytest.mark.parametrize(
    ("shape", "weight"),
    [((2, 40, 8, 8), (16, 40, 3, 3)), ((2, 16, 8, 8), (20, 16, 3, 3)), ((0, 16, 8, 8), (16, 16, 3, 3))],
)
def test_shapes_that_are_not_covered_are_torchs_to_the_bit(shape, weight):
    images, weight = torch.randn(shape), torch.randn(weight)
    assert torch.equal(conv2d(images, weight, None, (1, 1), (1, 1)), F.conv2d(images, weight, None, 1, 1))


def test_float64_and_autocast_are_torchs_to_the_bit():
    images, weight = torch.randn(2, 16, 8, 8), torch.randn(16, 16, 3, 3)
    doubles = images.double(), weight.double()
    assert torch.equal(conv2d(*doubles, None, (1, 1), (1, 1)), F.conv2d(*doubles, None, 1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        found = conv2d(images, weight, None, (1, 1), (1, 1))
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, F.conv2d(images, weight, None, 1, 1))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace`:FutureWarning")
def test_what_is_traced_or_transformed_goes_to_torch():
    images, weight = torch.randn(2, 16, 8, 8), torch.randn(16, 16, 3, 3)

    def convolve(x):
        return conv2d(x, weight, None, (1, 1), (1, 1))

    expected = F.conv2d(images, weight, None, 1, 1)
    traced = torch.jit.trace(convolve, torch.zeros(2, 16, 8, 8))
    torch.testing.assert_close(traced(images), expected)
    torch.testing.assert_close(torch.func.vmap(convolve)(images[:, None])[:, 0], expected)
    assert torch.func.grad(lambda x: convolve(x).sum())(images).shape == images.shape
    with torch.device("meta"):
        assert conv2d(torch.empty(2, 16, 8, 8), torch.empty(16, 16, 3, 3), None, (1, 1), (1, 1)).shape == expected.shape


def test_a_wrong_shape_fails_as_it_does_in_torch():
    with pytest.raises(RuntimeError, match="channels"):
        conv2d(torch.randn(2, 32, 8, 8), torch.randn(16, 16, 3, 3))


def second_derivative(function, leaves: list[Tensor]) -> list[Tensor]:
    """Of a sum of cubes, through a gradient of the gradient."""
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    gradients = torch.autograd.grad(function(*leaves).pow(3).sum(), leaves, create_graph=True)
    return torch.autograd.grad(sum(gradient.pow(2).sum() for gradient in gradients), leaves)


def test_a_gradient_of_the_gradient_is_torchs():
    leaves = [torch.rand(3, 16, 6, 6), torch.rand(32, 16, 3, 3) / 144]
    exact = second_derivative(lambda x, w: F.conv2d(x, w, None, 1, 1), [leaf.double() for leaf in leaves])
    for found, true in zip(
        second_derivative(lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)), leaves), exact, strict=True
    ):
        assert error(found, true) < 1e-4


def test_the_same_input_gives_the_same_bytes_whatever_ran_before():
    images, weight, gradient = torch.randn(33, 48, 9, 7), torch.randn(80, 48, 3, 3), torch.randn(33, 80, 9, 7)

    def once():
        return results(images, weight, lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)), gradient)

    first = once()
    conv2d(torch.full((8, 256, 16, 16), torch.nan), torch.randn(256, 256, 3, 3), None, (1, 1), (1, 1))
    functional.kernels().release()
    assert all(torch.equal(one, other) for one, other in zip(first, once(), strict=True))


@pytest.mark.parametrize("threads", [1, 3, 5])
def test_any_number_of_threads_gives_the_same_to_rounding(threads):
    usual = torch.get_num_threads()
    images, weight = torch.randn(9, 256, 8, 8), torch.randn(272, 256, 3, 3)
    gradient = torch.randn(9, 272, 8, 8)
    first = results(images, weight, lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)), gradient)
    try:
        torch.set_num_threads(threads)
        second = results(images, weight, lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)), gradient)
    finally:
        torch.set_num_threads(usual)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


@given(
    st.tuples(st.integers(1, 9), st.sampled_from([16, 32, 48, 80]), st.integers(1, 9), st.integers(1, 9)),
    *(st.booleans() for _ in range(4)),
    st.sampled_from([0.1, None]),
    st.integers(0, 2**31),
)
@example((1, 32, 1, 2), True, False, False, False, 0.1, 7)  # two values of 17, 0.02 apart
@settings(max_examples=100)
def test_batch_norm_is_torchs(shape, training, tracks, adds, rectifies, momentum, seed):
    assume(shape[0] * shape[2] * shape[3] > 1)
    torch.manual_seed(seed)
    images, residual, gradient = (
        torch.randn(shape) * 2 + 10 * torch.randn(shape[1], 1, 1),
        torch.randn(shape),
        torch.randn(shape),
    )
    norm = nn.BatchNorm2d(shape[1], momentum=momentum, track_running_stats=tracks).train(training)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    single, exact = deepcopy(norm), deepcopy(norm).double()

    def usual(layer, x, added):
        result = layer(x) + added if adds else layer(x)
        return result.relu() if rectifies else result

    def ours(layer, x, added):
        result = batch_norm(x, layer, added if adds else None, rectifies)
        assert result is not None
        return result

    def twice(apply, layer):
        """What comes of two batches; running statistics of the first count for the second."""
        for _ in range(2):
            leaves = [each.to(layer.weight.dtype, copy=True).requires_grad_() for each in (images, residual)]
            result = apply(layer, *leaves)
            result.backward(gradient.to(layer.weight.dtype))
        return [result, leaves[0].grad, leaves[1].grad, layer.weight.grad, layer.bias.grad, *layer.buffers()]

    for found, torchs, true in zip(twice(ours, norm), twice(usual, single), twice(usual, exact), strict=True):
        assert (found is None) == (torchs is None)
        if found is not None:
            rounding = (torchs.double() - true).abs().max().item()  # large where a channel's values hardly differ
            torch.testing.assert_close(found.double(), true.double(), rtol=1e-3, atol=1e-3 + 2 * rounding)


def test_gradients_of_batch_norms_gradients_are_torchs():
    images, residual = torch.randn(4, 16, 5, 5), torch.randn(4, 16, 5, 5) + 3
    for training in (True, False):
        norm, exact = nn.BatchNorm2d(16).train(training), nn.BatchNorm2d(16).train(training).double()
        found = second_derivative(lambda x, r, norm=norm: batch_norm(x, norm, r), [images, residual])
        true = second_derivative(lambda x, r, norm=exact: (norm(x) + r).relu(), [images.double(), residual.double()])
        for one, other in zip(found, true, strict=True):
            assert error(one, other) < 1e-4


@st.composite
def poolings(draw):
    """Images' shape, window, stride and padding."""
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [draw(st.integers(k, 12)) for k in kernel]
    return (draw(st.integers(1, 5)), draw(st.sampled_from([16, 48])), *size), kernel, stride, padding


@given(poolings(), st.integers(0, 2**31))
@settings(max_examples=60)
def test_max_pooling_and_its_gradient_are_torchs_to_the_bit(pooling, seed):
    shape, *window = pooling
    torch.manual_seed(seed)
    images = torch.randint(0, 4, shape).float()  # with ties, of which the first gets the gradient
    found, expected = images.clone().requires_grad_(), images.clone().requires_grad_()
    ours, torchs = max_pool2d(found, *window), F.max_pool2d(expected, *window)
    assert torch.equal(ours, torchs)
    gradient = torch.randint(-9, 9, ours.shape).float()  # whose sums are exact in any order
    ours.backward(gradient)
    torchs.backward(gradient)
    assert torch.equal(found.grad, expected.grad)


def test_max_pooling_pads_by_itself_on_the_right_and_at_the_bottom():
    images = torch.randn(3, 16, 7, 5)
    expected = F.max_pool2d(F.pad(images, (0, 1, 0, 1), value=-torch.inf), 2, 1)
    assert torch.equal(max_pool2d(images, (2, 2), (1, 1), (0, 0), padded=True), expected)


def test_gradients_of_max_poolings_gradients_are_torchs():
    images = torch.randn(2, 16, 5, 5)
    found = second_derivative(lambda x: max_pool2d(x, (2, 2), (1, 1), (0, 0), padded=True), [images])
    true = second_derivative(lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, 1), [images.double()])
    assert error(found[0], true[0]) < 1e-5


def test_not_a_number_stays_one():
    images = torch.randn(2, 16, 4, 4)
    images[0, 3, 1, 1] = torch.nan
    norm = nn.BatchNorm2d(16).eval()
    assert torch.equal(batch_norm(images, norm).isnan(), images.isnan())
    assert conv2d(images, torch.randn(16, 16, 3, 3), None, (1, 1), (1, 1)).isnan().any()
    pooled = max_pool2d(images, (3, 3), (1, 1), (1, 1))
    assert torch.equal(pooled.isnan(), F.max_pool2d(images, 3, 1, 1).isnan())


@pytest.mark.parametrize("channels", [24, 3])
def test_batch_norm_of_other_channels_is_left_to_torch(channels):
    norm = nn.BatchNorm2d(channels)
    assert batch_norm(torch.randn(2, channels, 4, 4), norm) is None
    assert norm.num_batches_tracked == 0
