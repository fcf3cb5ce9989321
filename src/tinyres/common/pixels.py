"""From stored images to the tensors that networks take."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RED, GREEN, BLUE = 0.2989, 0.587, 0.114  # their weights in grey, as in torchvision's rgb_to_grayscale


def channels_first(images: NDArray[np.uint8]) -> Tensor:
    """uint8 N×H×W×3, as stored, as a uint8 N×3×H×W tensor."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def in_unit_range(images: Tensor) -> Tensor:
    """uint8 as float32 in [0, 1]."""
    return images.float().div_(255)
