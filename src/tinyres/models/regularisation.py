"""Dropout before the classifier, and residual blocks that are skipped at random.

Layers are put in with hooks: they have no weights, and those of the network keep their names.
"""

from typing import Any

from torch import Tensor, nn
from torchvision.models.regnet import ResBottleneckBlock
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import StochasticDepth

from tinyres.common.errors import UserError
from tinyres.models.classifier import classifier_layer
from tinyres.models.wide_resnet import WideBlock

LAST_OF_BRANCH = {BasicBlock: "bn2", Bottleneck: "bn3", ResBottleneckBlock: "f", WideBlock: "conv2"}
"""By kind of residual block: the layer whose output is added to the shortcut."""


def set_dropout(network: nn.Module, probability: float) -> None:
    """Dropout before the classifier; a network that has dropouts of its own gets the probability there instead.

    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014.
    """
    own = [layer for layer in network.modules() if isinstance(layer, nn.Dropout) and layer.p]
    for dropout in own:
        dropout.p = probability
    if probability and not own:
        _, classifier = classifier_layer(network)
        classifier.add_module("dropout", nn.Dropout(probability))
        classifier.register_forward_pre_hook(_drop)


def set_stochastic_depth(network: nn.Module, probability: float) -> None:
    """Skip residual branch l of L with probability l/L · `probability`, for each image by itself.

    Huang et al., 2016, doi:10.1007/978-3-319-46493-0_39, whose equation 4 is in terms of survival.

    Raises:
        UserError: there are no residual blocks that can be skipped.
    """
    if probability:
        for block in network.modules():
            if last := LAST_OF_BRANCH.get(type(block)):
                branch = block.get_submodule(last)
                branch.add_module("stochastic_depth", StochasticDepth(probability, "row"))
                branch.register_forward_hook(_skip)
    skips = [layer for layer in network.modules() if isinstance(layer, StochasticDepth)]
    if probability and not skips:
        raise UserError(
            f"stochastic_depth is {probability:g}, but this network has no residual blocks that can be skipped; "
            "set it to 0, or take a ResNet, say."
        )
    for number, skip in enumerate(skips, start=1):
        skip.p = probability * number / len(skips)


def _drop(classifier: nn.Module, inputs: tuple[Tensor]) -> Any:
    return classifier.get_submodule("dropout")(inputs[0])


def _skip(branch: nn.Module, _: Any, output: Tensor) -> Any:
    return branch.get_submodule("stochastic_depth")(output)
