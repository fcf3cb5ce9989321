"""Another stem for a network that was made for large images."""

from torch import nn

from tinyres.common.errors import UserError
from tinyres.params import Stem


def replace_stem(network: nn.Module, stem: Stem) -> None:
    """Give a network another first convolution, with or without the max-pool that follows it.

    The new weights are normal, of variance 2 / fan-out (He et al., 2015, doi:10.1109/ICCV.2015.123), as those of
    torchvision's ResNets are; a bias, where the network has one, is 0.

    Raises:
        UserError: a max-pool is asked for, and the network has none before its second convolution.
    """
    name, old, pools = first_layers(network)
    new = nn.Conv2d(3, old.out_channels, stem.kernel, stem.stride, stem.padding, bias=old.bias is not None)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    network.set_submodule(name, new)
    if stem.maxpool and not pools:
        raise UserError("stem.maxpool is true, but there is no max-pool after the first convolution; set it to false.")
    if not stem.maxpool:
        for pool in pools:
            network.set_submodule(pool, nn.Identity())


def first_layers(network: nn.Module) -> tuple[str, nn.Conv2d, list[str]]:
    """The first convolution by name, and the names of the max-pools between it and the second: one or none."""
    first: tuple[str, nn.Conv2d] | None = None
    pools: list[str] = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            if first is not None:
                return *first, pools
            first = name, layer
        elif isinstance(layer, nn.MaxPool2d):
            pools.append(name)
    raise ValueError("the network has no two convolutions")
