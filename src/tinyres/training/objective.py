"""The objective of training: the loss of a batch, on its images or on adversarial ones made from them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tinyres.models import Classifier
from tinyres.params import Adversarial, Loss
from tinyres.training.descent import kept_running_statistics

PGD_REACH = 2.5  # how far all steps together could go, in epsilons (Madry et al., 2018, section 5)

Forward = Callable[[Tensor], Tensor]
Attack = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
"""Maps a function from pixels to their loss, and the pixels, to other pixels."""


class Objective:
    """The cross-entropy, with label smoothing if wanted, on the images or on adversarial ones made from them.

    Args:
        classifier: in training mode while this is called.
        forward: the classifier, perhaps compiled or replicated: logits B×K of pixels B×3×H×W. Attacks do not use it,
            since they need no gradient of the weights.
        loss: label_smoothing and adversarial.
    """

    def __init__(self, classifier: Classifier, forward: Forward, loss: Loss) -> None:
        self.classifier, self.forward = classifier, forward
        self.label_smoothing = loss.label_smoothing
        self.attack = make_attack(loss.adversarial)

    def __call__(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss (with its graph) and logits B×K.

        Args:
            pixels: float32 B×3×H×W in [0, 1].
            labels: int64 B, or the classes' probabilities B×K.
        """
        if self.attack is not None:
            with kept_running_statistics(self.classifier):
                pixels = self.attack(lambda changed: self._loss(self.classifier(changed), labels), pixels)
        logits = self.forward(pixels)
        return self._loss(logits, labels), logits

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


def make_attack(adversarial: Adversarial) -> Attack | None:
    """The fast gradient sign method for one step, projected gradient descent for more; None where epsilon is 0."""
    if not adversarial.epsilon:
        return None
    epsilon, steps = adversarial.epsilon / 255, adversarial.steps
    if steps == 1:
        return lambda loss, pixels: climb(loss, pixels, pixels, epsilon, epsilon)

    def projected_gradient_descent(loss: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        changed = (pixels + torch.empty_like(pixels).uniform_(-epsilon, epsilon)).clamp_(0, 1)
        for _ in range(steps):
            changed = climb(loss, pixels, changed, PGD_REACH * epsilon / steps, epsilon)
        return changed

    return projected_gradient_descent


def climb(loss: Callable[[Tensor], Tensor], pixels: Tensor, changed: Tensor, step: float, epsilon: float) -> Tensor:
    """Move each pixel by one step that raises the loss, within epsilon of its original value and within [0, 1].

    Source: Goodfellow et al., 2015, arXiv:1412.6572, section 4.
    """
    changed = changed.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(changed), changed)
    moved = changed.detach() + step * gradient.sign()
    return torch.clamp(moved, pixels - epsilon, pixels + epsilon).clamp_(0, 1)
