"""The parameters of a study: their schema, and `params.yaml` as it is read and checked."""

from tinyres.params.reading import flat, load_params, load_yaml, parse_yaml, plain, read_params, select, with_values
from tinyres.params.schema import (
    Adversarial,
    Data,
    Embed,
    Evaluate,
    Loss,
    Model,
    OnlineAugmentation,
    Params,
    Reference,
    Runtime,
    Stem,
    Subset,
    Tracking,
)
from tinyres.params.validation import demand, nearest_parameter, shown, validate_params

__all__ = [
    "Adversarial",
    "Data",
    "Embed",
    "Evaluate",
    "Loss",
    "Model",
    "OnlineAugmentation",
    "Params",
    "Reference",
    "Runtime",
    "Stem",
    "Subset",
    "Tracking",
    "demand",
    "flat",
    "load_params",
    "load_yaml",
    "nearest_parameter",
    "parse_yaml",
    "plain",
    "read_params",
    "select",
    "shown",
    "validate_params",
    "with_values",
]
