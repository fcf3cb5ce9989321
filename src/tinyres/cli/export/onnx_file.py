"""A trained network as one ONNX graph: images as stored in, class probabilities out, everything between them inside."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.models import Classifier

OPSET = 20  # of the operators' definitions; onnxruntime reads it since its version 1.17
INPUT, OUTPUT = "images", "probabilities"


class ImagesToProbabilities(nn.Module):
    """Probabilities N×K of uint8 images N×H×W×3.

    Weights and activations are contiguous, not `channels_last` as in training: torch 2.15 exports the average over a
    `channels_last` image as a loop, which is slow and cannot be quantised.

    Args:
        classifier: The trained network, which this changes in place.
        temperature: What the logits are divided by before the softmax; 1 leaves them as they are, and the graph then
            holds no division.
    """

    temperature: Tensor

    def __init__(self, classifier: Classifier, temperature: float) -> None:
        super().__init__()
        self.classifier = classifier.to(memory_format=torch.contiguous_format)
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        pixels = images.permute(0, 3, 1, 2).contiguous().float() / 255
        return (self.classifier(pixels) / self.temperature).softmax(dim=1)


def export_graph(classifier: Classifier, description: ModelDescription, temperature: float = 1.0) -> onnx.ModelProto:
    """Export a network in float32, for batches of any size.

    Args:
        classifier: The plain network of torch, as `load_model` returns it; it is changed in place.
        description: The content of its `model.json`.
        temperature: See `ImagesToProbabilities`.

    Raises:
        UserError: torch cannot export this network, or not without a loop.
    """
    network = ImagesToProbabilities(classifier, temperature).eval()
    example = torch.zeros(2, *description.image_size, 3, dtype=torch.uint8)  # 1 would be taken for a constant
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own deprecations
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter fails in as many ways as there are networks
        raise _not_exported(description, str(error)) from None
    assert program is not None  # with `dynamo`
    model = program.model_proto
    if any(node.op_type in ("Loop", "Scan", "If") for node in model.graph.node):
        raise _not_exported(description, "its graph would hold a loop")
    pad_inside_max_pooling(model.graph)
    remove_traces(model)
    return model


def _not_exported(description: ModelDescription, reason: str) -> UserError:
    first = (reason.strip().splitlines() or ["no reason given"])[0][:200].rstrip(".")
    return UserError(
        f"The architecture of {description.name}, {description.spec['architecture']}, cannot be exported to ONNX "
        f"({first}); use the MLflow model, which needs no tinyres either."
    )


def pad_inside_max_pooling(graph: onnx.GraphProto) -> None:
    """Replace padding with −∞ before a max-pooling by the pooling's own, in place.

    The results are the same. But quantisation scales every activation by its range, which −∞ makes infinite.
    """
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}
    for pool in [node for node in graph.node if node.op_type == "MaxPool"]:
        pad = producers.get(pool.input[0])
        if pad is None or pad.op_type != "Pad" or constants.get(pad.input[2]) != -np.inf:
            continue
        amounts = constants[pad.input[1]].reshape(2, 4)  # before and after, by dimension of N×C×H×W
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in pool.attribute}
        padding = np.array(attributes.pop("pads", [0] * 4)) + amounts[:, 2:].ravel()
        inside = onnx.helper.make_node(
            "MaxPool", [pad.input[0]], pool.output, pool.name, **attributes, pads=padding.tolist()
        )
        pool.CopyFrom(inside)
    remove_unused(graph)


def remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that nothing takes as an input any more, in place."""
    for node in reversed(list(graph.node)):
        taken = {name for each in graph.node for name in each.input} | {each.name for each in graph.output}
        if not taken & set(node.output):
            graph.node.remove(node)
    taken = {name for each in graph.node for name in each.input}
    for constant in [each for each in graph.initializer if each.name not in taken]:
        graph.initializer.remove(constant)


def remove_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter noted of the Python code, in place: it names the folders of the machine that exported,
    so the same model would give another file elsewhere."""
    for part in _parts(model):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _parts(model: onnx.ModelProto) -> Iterator[Any]:
    graph = model.graph
    yield from (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for function in model.functions:
        yield from (function, *function.node, *function.value_info)


def describe_graph(model: onnx.ModelProto, description: ModelDescription, weights: str, temperature: float) -> None:
    """Write into a graph, in place, what its user has to know.

    Its metadata are `model` (name), `classes` (a JSON list, by label), `temperature` and `weights` (the SHA-256 of the
    weights file that it was made from).
    """
    height, width = description.image_size
    model.doc_string = (
        f"{INPUT}: uint8 N×{height}×{width}×3, RGB as stored; {OUTPUT}: float32 N×{len(description.classes)}, of the "
        "classes that the metadata name."
    )
    told = {
        "model": description.name,
        "classes": json.dumps(description.classes, ensure_ascii=False),
        "temperature": json.dumps(temperature),
        "weights": weights,
    }
    onnx.helper.set_model_props(model, told)


def write_graph(model: onnx.ModelProto, file: Path) -> Path:
    """Write a graph with all its weights as one file, and return the file.

    Raises:
        UserError: it is larger than a file of this format can be.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, file)
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise UserError(f"The network does not fit into one ONNX file ({error}); use the MLflow model.") from None
    return file
