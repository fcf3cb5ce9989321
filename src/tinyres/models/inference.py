"""Running a classifier over a whole split without gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from tinyres.common.pixels import in_unit_range
from tinyres.models import Classifier
from tinyres.models.machine import Machine

BATCH_SIZE = 250  # images per forward pass during training; small enough for any machine that can train


@torch.no_grad()
def logits_of(classifier: Classifier, images: Tensor, batch_size: int, machine: Machine) -> Tensor:
    """Logits, float32 N×K on the CPU, of uint8 images N×3×H×W; the classifier is left in evaluation mode."""
    return _over_batches(classifier, images, batch_size, machine, classifier)


@torch.no_grad()
def features_of(classifier: Classifier, images: Tensor, batch_size: int, machine: Machine) -> Tensor:
    """Penultimate features, float32 N×D on the CPU, of uint8 images N×3×H×W."""
    return _over_batches(classifier, images, batch_size, machine, classifier.penultimate)


def accuracy_of(classifier: Classifier, images: Tensor, labels: Tensor, machine: Machine) -> float:
    """Share of uint8 images N×3×H×W that get their label (N)."""
    right = logits_of(classifier, images, BATCH_SIZE, machine).argmax(dim=1) == labels.cpu()
    return right.double().mean().item()


def _over_batches(
    classifier: Classifier, images: Tensor, batch_size: int, machine: Machine, function: Callable[[Tensor], Tensor]
) -> Tensor:
    classifier.eval()
    with machine.autocast():
        parts = [function(in_unit_range(batch.to(machine.device))).float() for batch in images.split(batch_size)]
    return torch.cat(parts).cpu()
