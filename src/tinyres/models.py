"""Networks by name, and a trained model as a folder: plain weights and what it takes to rebuild the network.

<folder>/model.safetensors   the weights, without any wrapper's prefix
<folder>/model.json          architecture, stem, classes, image size, normalisation, and how it was trained
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models.resnet import ResNet

from tinyres.atomic import replacing
from tinyres.errors import UserError
from tinyres.fingerprint import hash_files
from tinyres.params import Model, Stem

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"


def resnet18(spec: Model, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """torchvision's ResNet-18 from scratch, with another stem (He et al., 2016, doi:10.1109/CVPR.2016.90)."""
    network = torchvision.models.resnet18(num_classes=classes)
    if spec.stem is not None:
        replace_stem(network, spec.stem)
    return network


def replace_stem(network: ResNet, stem: Stem) -> None:
    """Give a torchvision ResNet another first convolution, initialised as the original, and its max-pool or none."""
    width = network.conv1.out_channels
    network.conv1 = nn.Conv2d(3, width, stem.kernel, stem.stride, stem.padding, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    if not stem.maxpool:
        network.maxpool = nn.Identity()


def cnn(spec: Model, classes: int, image_size: tuple[int, int]) -> nn.Module:
    """The report's network: two convolutions without activation, two hidden layers with dropout.

    Where the report is silent it has Keras's defaults: Glorot uniform weights, zero biases, and padding `same`, which
    is at the right and bottom only.
    """
    height, width = ((size + 3) // 4 for size in image_size)  # halved twice, rounded up
    network = nn.Sequential(
        *(SamePad(stride=2), nn.Conv2d(3, 32, 2, stride=2), SamePad(stride=1), nn.MaxPool2d(2, stride=1)),
        *(SamePad(stride=2), nn.Conv2d(32, 64, 2, stride=2), SamePad(stride=1), nn.MaxPool2d(2, stride=1)),
        nn.Flatten(),
        *(nn.Linear(64 * height * width, 256), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, classes),
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.constant_(layer.get_parameter("bias"), 0)
    return network


class SamePad(nn.Module):
    """Keras's padding `same` for a 2×2 window: what the last window lacks, at the right and bottom.

    With stride 1 the padding is −∞, for max-pooling; with stride 2 it is zero, for convolution.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        if self.stride == 1:
            return F.pad(images, (0, 1, 0, 1), value=-torch.inf)
        return F.pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2))


Builder = Callable[[Model, int, tuple[int, int]], nn.Module]
ARCHITECTURES: dict[str, Builder] = {"resnet18": resnet18, "cnn": cnn}
"""By name: the network for a spec, a number of classes and an image size (height, width)."""


class Classifier(nn.Module):
    """A network that takes pixels in [0, 1] and normalises them itself.

    Mean and standard deviation are constants of the model, not weights: they stand in `model.json`. The network's
    weights lie as `channels_last`, and so does what it computes: the fast order for convolutions on GPUs, and on CPUs
    for max-pooling, which is half of the report's network otherwise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits B×K of float pixels B×3×H×W in [0, 1]."""
        return self.network(self.normalise(pixels))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation of the training images."""
        return (pixels - self.mean).div_(self.std).contiguous()

    def penultimate(self, pixels: Tensor) -> Tensor:
        """The input of the last linear layer, B×D."""
        features: list[Tensor] = []
        last = [layer for layer in self.network.modules() if isinstance(layer, nn.Linear)][-1]
        hook = last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
        try:
            self(pixels)
        finally:
            hook.remove()
        return features[0]


@dataclass(frozen=True)
class ModelDescription:
    """What `model.json` says."""

    name: str
    spec: dict[str, Any]
    """Architecture, stem and whether inputs are standardised, as in `params.yaml`."""
    classes: list[str]
    image_size: tuple[int, int]
    """Height and width, pixels."""
    mean: list[float]
    """Per channel, in [0, 1]."""
    std: list[float]
    """Per channel, in [0, 1]."""
    training: dict[str, Any]
    """The parameters it was trained with and the hash of the data."""


def build(description: ModelDescription) -> Classifier:
    """The network with fresh weights from torch's global generator."""
    spec = Model.model_validate(description.spec)
    network = ARCHITECTURES[spec.architecture](spec, len(description.classes), description.image_size)
    return Classifier(network, description.mean, description.std)


def save_model(folder: Path | str, classifier: Classifier, description: ModelDescription) -> None:
    """Write a model folder, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in classifier.network.state_dict().items()}
    with replacing(folder) as draft:
        draft.mkdir()
        save_file(weights, draft / WEIGHTS)
        text = json.dumps(asdict(description), indent=2) + "\n"
        (draft / DESCRIPTION).write_text(text, encoding="utf-8")


def read_model_description(folder: Path | str) -> ModelDescription:
    """The content of `model.json`.

    Raises:
        UserError: there is none, or it is not one of ours.
    """
    file = Path(folder) / DESCRIPTION
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return ModelDescription(**content | {"image_size": tuple(content["image_size"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} describes no model ({error}); train it again with `dvc repro`.") from None


def load_model(folder: Path | str) -> tuple[Classifier, ModelDescription]:
    """Rebuild a trained model, ready for evaluation, on the CPU. Nothing is unpickled.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit the description.
    """
    description = read_model_description(folder)
    classifier = build(description)
    try:
        classifier.network.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{Path(folder) / WEIGHTS} cannot be loaded ({reason}); train it again with `dvc repro`."
        ) from None
    return classifier.eval(), description


def weights_hash(folder: Path | str) -> str:
    """SHA-256 of the weights file: the name by which a model's MLflow run is found again."""
    return hash_files([Path(folder) / WEIGHTS])


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
