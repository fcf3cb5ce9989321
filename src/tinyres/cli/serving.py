"""A model folder as MLflow serves it: stored images in, class probabilities out.

MLflow calls `_load_pyfunc`, the name it looks for in a loader module. The folder's own two files are all that is read,
so nothing is unpickled.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tinyres.common.pixels import channels_first
from tinyres.models import load_model
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine, choose_convolutions

BATCH_SIZE = 250  # images per forward pass, so that any number fits into memory


class ServedModel:
    """A trained network on the fastest device, in float32.

    Args:
        folder: `model.safetensors` and `model.json`.

    Raises:
        UserError: it is no model folder, or a damaged one.
    """

    def __init__(self, folder: Path | str) -> None:
        classifier, self.description = load_model(folder)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        convolutions = choose_convolutions("auto", device.type == "cpu")
        self.machine = Machine(device, bfloat16=False, compiles=False, convolutions=convolutions)
        self.classifier = self.machine.prepare(classifier)

    def predict(self, images: NDArray[np.uint8], params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Class probabilities N×K of uint8 images N×H×W×3; `params` is part of MLflow's interface and has no use."""
        logits = logits_of(self.classifier, channels_first(images), BATCH_SIZE, self.machine)
        return logits.softmax(dim=1).numpy()


def _load_pyfunc(path: str) -> ServedModel:
    return ServedModel(path)
