"""8-bit graphs: static quantisation of an exported network, its ranges calibrated on training images.

B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018, arXiv:1712.05877.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from tinyres.cli.export.onnx_file import INPUT
from tinyres.common.errors import UserError

BATCH_SIZE = 50  # images per pass of the calibration; their activations bound the memory
LAYERS = ("Conv", "Gemm", "MatMul")  # operators that have weights
SEED = 0  # of the choice of images, so that the same model gives the same file


class Batches(CalibrationDataReader):  # type: ignore[misc]
    """Images as onnxruntime's calibration asks for them."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.batches = (images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next batch by the graph's input, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}


def calibration_images(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return `count` of the training images N×H×W×3, or all if they are fewer, chosen at random and always the same."""
    rows = np.random.default_rng(SEED).permutation(len(images))[:count]
    return images[np.sort(rows)]


def quantised(file: Path, images: NDArray[np.uint8]) -> onnx.ModelProto:
    """Return a graph with weights and activations in 8 bits, whose ranges are those that the images give.

    Weights are signed, with a scale per output channel and 7 of the 8 bits in use: with 8, sums of two products
    saturate on CPUs with AVX2 and without VNNI. Activations are unsigned. What lies before the first layer
    and from the last one on stays in float32: the normalisation, and the last layer with its softmax, where 256 levels
    would make ties of unlike probabilities.

    Args:
        file: The network in float32, as `write_graph` leaves it.
        images: Training images, uint8 N×H×W×3.

    Raises:
        UserError: onnxruntime cannot quantise this network.
    """
    with TemporaryDirectory() as folder, _without_advice():
        prepared, result = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(file, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                result,
                Batches(images),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
                nodes_to_exclude=_both_ends(onnx.load(prepared).graph),
                calibration_providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # it fails in as many ways as there are networks
            raise UserError(f"onnxruntime cannot quantise this network ({error}); leave out --int8.") from None
        return onnx.load(result)


def _both_ends(graph: onnx.GraphProto) -> list[str]:
    """The names of all nodes before the first layer with weights, of the last such layer, and of all after it."""
    layers = [number for number, node in enumerate(graph.node) if node.op_type in LAYERS]
    return [node.name for node in [*graph.node[: layers[0]], *graph.node[layers[-1] :]]]


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep onnxruntime's advice to prepare the model, which has been followed, out of the output."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
