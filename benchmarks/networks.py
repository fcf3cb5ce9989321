"""The networks that are measured: the paper's two, the report's, and a wide ResNet."""

from pathlib import Path

from torch import nn

from tinyres.models import build_network
from tinyres.params import Model, read_params

SIZE = (32, 32)  # pixels
ROOT = Path(__file__).parents[1]
SPECS = {
    name: spec
    for study in (ROOT, ROOT / "studies/aquatic_mammals")
    for name, spec in read_params("models", file=study / "params.yaml").models.items()
}
"""By the names in the paper's study and the report's."""
SPECS["wide"] = SPECS["baseline"].model_copy(update={"architecture": "wide_resnet16_8", "stem": None})


def pooled_linear(classes: int) -> nn.Module:
    """Next to no network, so that an epoch costs what its input costs."""
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * 4 * 4, classes))


def make_network(name: str, spec: Model | None = None) -> nn.Module:
    """A network by name, with fresh weights; with a specification of its own, or else its study's."""
    if name == "linear":
        return pooled_linear(classes=100)
    return build_network(spec or SPECS[name], 5 if name == "cnn" else 100, SIZE)
