"""Where a split's images lie during training: on the device, in the host's memory, or in their file."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import psutil
import torch
from torch import Tensor

from tinyres.common.dataset import Split
from tinyres.common.pixels import channels_first


@dataclass(frozen=True)
class DeviceSplit:
    """A split on the device: images uint8 N×3×H×W and labels int64 N."""

    images: Tensor
    labels: Tensor

    @classmethod
    def from_arrays(cls, split: Split, device: torch.device) -> Self:
        return cls(channels_first(split.images).to(device), torch.from_numpy(split.labels.copy()).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Self:
        """The first `count` images."""
        return type(self)(self.images[:count], self.labels[:count])

    def take(self, rows: Tensor) -> Tensor:
        """The images with these numbers (int64 B, where the images lie): uint8 B×3×H×W, on the device."""
        return self.images.index_select(0, rows)  # copies whole images; `images[rows]` goes pixel by pixel


class HostSplit(DeviceSplit):
    """A split of which only the labels lie on the device. Its images, N×H×W×3 in the host's memory or in a file mapped
    into it, are copied to the device batch by batch."""

    @classmethod
    def from_arrays(cls, split: Split, device: torch.device) -> Self:
        images = torch.from_numpy(split.images).permute(0, 3, 1, 2)
        return cls(images, torch.from_numpy(split.labels.copy()).to(device))

    def take(self, rows: Tensor) -> Tensor:
        chosen = self.images.permute(0, 2, 3, 1).index_select(0, rows)
        return chosen.to(self.labels.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()


def place(split: Split, where: str, device: torch.device) -> DeviceSplit:
    """The split on the device, in the host's memory, or in its file, as `runtime.data` says.

    `auto` means the device if the images take at most a quarter of its free memory, and the file otherwise.
    """
    if where == "auto":
        where = "device" if split.images.nbytes <= free_memory(device) / 4 else "mmap"
    if where == "device":
        return DeviceSplit.from_arrays(split, device)
    if where == "host":
        split = Split(np.array(split.images), split.labels)
    return HostSplit.from_arrays(split, device)


def free_memory(device: torch.device) -> int:
    """Bytes of memory that are free on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
