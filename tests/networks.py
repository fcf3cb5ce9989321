"""Networks to test with, as `params.yaml` would name them."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tinyres.params import Model

STANDARD = {"kernel": 7, "stride": 2, "padding": 3, "maxpool": True}
MODIFIED = {"kernel": 3, "stride": 1, "padding": 1, "maxpool": False}


def model(architecture: str, **changes: Any) -> Model:
    """A model's parameters, with nothing on but what is given."""
    off = {"stem": None, "standardise": True, "dropout": 0, "stochastic_depth": 0, "init_from": None, "freeze": []}
    return Model.model_validate({"architecture": architecture} | off | changes)


class ShapesOnly(TorchFunctionMode):
    """Weights that are made in this context have shapes and no contents, so that the largest network costs nothing.

    torch's own `with torch.device("meta")` takes the contents of every tensor, and RegNets compute their widths.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}) | ({"device": "meta"} if func is torch.empty else {}))
