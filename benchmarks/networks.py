"""The networks that are measured: the paper's two and the report's."""

from torch import nn

from tinyres.models import ARCHITECTURES
from tinyres.params import Model, Stem

SIZE = (32, 32)  # pixels


def described(architecture: str, stem: Stem | None, standardise: bool) -> Model:
    """A network with fresh weights and nothing dropped."""
    return Model(
        **{"architecture": architecture, "stem": stem, "standardise": standardise},
        **{"dropout": 0, "stochastic_depth": 0, "init_from": None, "freeze": []},
    )


SPECS = {
    "baseline": described("resnet18", Stem(kernel=7, stride=2, padding=3, maxpool=True), standardise=True),
    "modified": described("resnet18", Stem(kernel=3, stride=1, padding=1, maxpool=False), standardise=True),
    "cnn": described("cnn", None, standardise=False),
}


def pooled_linear(classes: int) -> nn.Module:
    """Next to no network, so that an epoch costs what its input costs."""
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * 4 * 4, classes))


def make_network(name: str) -> nn.Module:
    """A network by name, with fresh weights."""
    if name == "linear":
        return pooled_linear(classes=100)
    spec = SPECS[name]
    return ARCHITECTURES[spec.architecture](spec, 5 if name == "cnn" else 100, SIZE)
