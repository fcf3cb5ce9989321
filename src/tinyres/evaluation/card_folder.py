"""A model's card as a folder beside the model's own, into which nothing but its training writes.

<study>/models/<name>/                   the model folder (see `tinyres.common.model_folder`)
<study>/cards/<name>/README.md           the card: what the model is, for people and for Hugging Face's hub
<study>/cards/<name>/temperature.json    the temperature of its softmax; 1 without validation images

A model in MLflow has the same two: `data/<folder>` and `cards/<name>`.
"""

import json
from pathlib import Path

from tinyres.common.atomic import write_json
from tinyres.common.errors import UserError
from tinyres.common.model_folder import read_model_description, weights_hash

CARDS = "cards"
CARD = "README.md"
TEMPERATURE = "temperature.json"


def card_folder(model: Path | str) -> Path:
    """Return where the card of a model folder lies; it need not be there.

    Raises:
        UserError: The folder holds no model.
    """
    return Path(model).absolute().parents[1] / CARDS / read_model_description(model).name


def write_temperature(model: Path | str, temperature: float) -> None:
    """Write the temperature of a model folder's network beside its card, with the hash of the weights it is for.

    Args:
        model: The model folder.
        temperature: What the logits are divided by before the softmax; 1 if it was not fitted.
    """
    write_json(card_folder(model) / TEMPERATURE, {"temperature": temperature, "weights": weights_hash(model)})


def read_temperature(model: Path | str) -> float:
    """Return the temperature by which a model folder's logits are divided before the softmax.

    It is 1, which changes nothing, if the network was not evaluated, or if the file is about other weights.

    Raises:
        UserError: The folder holds no model, or the file of the temperature is damaged.
    """
    file = card_folder(model) / TEMPERATURE
    if not file.is_file():
        return 1.0
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return float(content["temperature"]) if content["weights"] == weights_hash(model) else 1.0
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file} is damaged ({error}); write it again with `dvc repro -f evaluate`.") from None
