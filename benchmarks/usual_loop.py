"""The training loop that most tutorials show: torchvision on PIL images, a DataLoader, `loss.item()` at each step."""

import time
from typing import Any

import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms as T

from benchmarks.setting import MEAN, STD
from tinyres.common.dataset import Split
from tinyres.models.machine import Machine
from tinyres.params import Params

PAPERS_AUGMENTATION = T.Compose([
    T.RandomCrop(32, padding=4),
    T.RandomHorizontalFlip(),
    T.RandomRotation(15),
    T.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
    T.ToTensor(),
    T.Normalize(MEAN, STD),
])  # fmt: skip


class InMemory(torchvision.datasets.CIFAR100):  # type: ignore[misc]
    """torchvision's CIFAR100 with images that are in memory already; an item is made as ever."""

    def __init__(self, split: Split) -> None:
        super(torchvision.datasets.CIFAR10, self).__init__(root="", transform=PAPERS_AUGMENTATION)
        self.data, self.targets = split.images, split.labels.tolist()


class UsualLoop:
    """Trains a network that takes normalised images. Precision and learning rate are as in our trainer."""

    def __init__(self, network: nn.Module, split: Split, params: Params, machine: Machine, workers: int) -> None:
        self.network, self.machine = network.to(machine.device), machine
        # Workers are kept between epochs: starting them would weigh too much in an epoch of a few seconds.
        self.loader: DataLoader[Any] = DataLoader(
            InMemory(split),
            batch_size=params.batch_size,
            shuffle=True,
            num_workers=workers,
            persistent_workers=True,
            pin_memory=machine.device.type == "cuda",
        )
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=params.lr, weight_decay=params.weight_decay)

    def epoch_seconds(self) -> float:
        """Train one epoch; the time it took."""
        started = time.perf_counter()
        self.network.train()
        running_loss = 0.0
        for images, labels in self.loader:
            images, labels = images.to(self.machine.device), labels.to(self.machine.device)
            self.optimizer.zero_grad()
            with self.machine.autocast():
                loss = self.criterion(self.network(images), labels)
            loss.backward()
            self.optimizer.step()
            running_loss += loss.item()
        return time.perf_counter() - started
