"""A model folder as MLflow serves it: images of whole numbers from 0 to 255 in, class probabilities out.

MLflow calls `_load_pyfunc`, the name it looks for in a loader module. The folder's own two files are all that is read,
so nothing is unpickled.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tinyres.common.errors import UserError
from tinyres.common.pixels import channels_first
from tinyres.evaluation.card_folder import read_temperature
from tinyres.models import load_model
from tinyres.models.inference import logits_of
from tinyres.models.machine import Machine, choose_convolutions

BATCH_SIZE = 250  # images per forward pass, so that any number fits into memory


class ServedModel:
    """A trained network in float32.

    Args:
        folder: `model.safetensors` and `model.json`.
        device: By default the fastest.

    Raises:
        UserError: it is no model folder, or a damaged one.
    """

    def __init__(self, folder: Path | str, device: Literal["cuda", "cpu"] | None = None) -> None:
        classifier, self.description = load_model(folder)
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        convolutions = choose_convolutions("auto", chosen.type == "cpu")
        self.machine = Machine(chosen, bfloat16=False, compiles=False, convolutions=convolutions)
        self.classifier = self.machine.prepare(classifier)
        self.temperature = read_temperature(folder)

    def predict(self, images: NDArray[Any], params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Class probabilities N×K of images N×H×W×3; `params` is part of MLflow's interface and has no use.

        Raises:
            UserError: they are no images of the model's size in whole numbers from 0 to 255.
        """
        stored = as_stored(images, self.description.image_size)
        logits = logits_of(self.classifier, channels_first(stored), BATCH_SIZE, self.machine)
        return (logits / self.temperature).softmax(dim=1).numpy()


class MLflowModel(ServedModel):
    """The same for MLflow, whose server answers with status 400 to its own exceptions, and with their sentence."""

    def predict(self, images: NDArray[Any], params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """See `ServedModel`.

        Raises:
            MlflowException: what is a `UserError` there.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

        try:
            return super().predict(images, params)
        except UserError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None


def as_stored(images: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Images N×H×W×3 as uint8, if they are whole numbers from 0 to 255: nothing is scaled, rounded or cut.

    Args:
        images: of any type; of the type `object`, each number is looked at, as JSON had it.
        size: height and width, pixels.

    Raises:
        UserError: they are something else.
    """
    if images.ndim != 4 or images.shape[1:] != (*size, 3):
        shape = "×".join(map(str, images.shape))
        raise UserError(f"The input has the shape {shape}; give N×{size[0]}×{size[1]}×3, a list of RGB images.")
    whole = images.dtype.kind in "iu" or (images.dtype == object and {type(value) for value in images.flat} <= {int})
    if not whole or (images.size and not (images.min() >= 0 and images.max() <= 255)):
        raise UserError("The input holds something else than whole numbers from 0 to 255; give pixels as stored.")
    return images.astype(np.uint8)


def _load_pyfunc(path: str) -> MLflowModel:
    return MLflowModel(path)
