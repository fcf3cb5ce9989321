"""Transfer learning: starting from the weights of another training, and freezing some of them."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from tinyres.common.errors import UserError, nearest
from tinyres.models.classifier import classifier_layer

AUXILIARY = ("aux1", "aux2", "AuxLogits")  # classifiers of Inception and GoogLeNet that help training alone


def take_weights(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load these weights, in place; the classifier keeps its own if theirs is missing or of another size.

    Args:
        weights: by parameter name; batch norms may lack `num_batches_tracked`, as those of old files do.
        source: what they are called in errors.

    Raises:
        UserError: a weight other than the classifier's does not fit; the sentence names the first.
    """
    own = network.state_dict()
    classifier, _ = classifier_layer(network)
    head = {name for name in own if is_in(name, [classifier])}
    for name, value in own.items():
        theirs = weights.get(name)
        if name in head or (theirs is None and name.endswith(".num_batches_tracked")):
            continue
        if theirs is None:
            raise _misfit(source, f"it has no {name}")
        if theirs.shape != value.shape:
            raise _misfit(source, f"its {name} is {_shape(theirs)} in place of {_shape(value)}")
    for name in weights:
        is_counter = name.endswith(".num_batches_tracked")  # of a batch norm, whose weights are named as well
        if name not in own and not is_counter and not is_in(name, [classifier, *AUXILIARY]):
            raise _misfit(source, f"it has {name}, which the network lacks")
    chosen = {name: value for name, value in weights.items() if name in own and name not in head}
    if all(name in weights and weights[name].shape == own[name].shape for name in head):
        chosen |= {name: weights[name] for name in head}
    network.load_state_dict(own | chosen)


def freeze(network: nn.Module, parts: Sequence[str]) -> None:
    """Freeze parts of the network: their weights get no gradients, and their batch norms keep their statistics.

    Args:
        parts: prefixes of parameter names, up to a dot (`layer1`, `layer1.0.conv1`); `all` is everything but the
            classifier.

    Raises:
        UserError: the network lacks a part, or nothing is left to train.
    """
    names = [name for name, _ in network.named_parameters()]
    for part in parts:
        if part != "all" and not any(is_in(name, [part]) for name in names):
            raise UserError(f"freeze: the network has no part {part!r}{nearest(part, _parts(names))}")
    classifier, _ = classifier_layer(network)
    for name, parameter in network.named_parameters():
        if is_in(name, parts) or ("all" in parts and not is_in(name, [classifier])):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(f"freeze: nothing is left to train; leave out {classifier!r}, the classifier.")


def is_in(name: str, parts: Sequence[str]) -> bool:
    """Whether a parameter's name begins with one of the parts, up to a dot: `layer1` begins no `layer10.bias`."""
    return any(f"{name}.".startswith(f"{part}.") for part in parts)


def _parts(names: Sequence[str]) -> list[str]:
    """Every beginning of the names, the shortest first."""
    parts = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return sorted(parts, key=lambda part: (part.count("."), part))


def _misfit(source: str, reason: str) -> UserError:
    return UserError(
        f"init_from: {source} does not fit ({reason}); only the classifier may differ, so give the model its "
        "architecture, stem and image size."
    )


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "a single number"
