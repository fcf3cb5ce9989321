"""The weights that are evaluated and kept: the latest, or their moving average."""

from copy import deepcopy
from typing import Any

import torch

from tinyres.models import Classifier


class LatestWeights:
    """The classifier as it is trained."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def after_step(self) -> None:
        """Call after every step of the optimizer."""

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""


class MovingAverage(LatestWeights):
    """A second classifier, whose weights and running statistics follow those of the one that is trained.

    In its first steps it forgets faster, so that the fresh weights do not linger: after n steps the decay is
    (1 + n) / (10 + n) while that is smaller than `decay`. Unlike torch's `AveragedModel` it never waits for the device.
    """

    def __init__(self, classifier: Classifier, decay: float) -> None:
        super().__init__(deepcopy(classifier).requires_grad_(False))
        self.decay, self.steps = decay, 0
        trained, followers = classifier.network.state_dict(), self.classifier.network.state_dict()
        floating = [name for name, value in trained.items() if value.is_floating_point()]
        counters = [name for name in trained if name not in floating]
        self.trained, self.averages = [[state[name] for name in floating] for state in (trained, followers)]
        self.counted, self.copies = [[state[name] for name in counters] for state in (trained, followers)]

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the averages towards the weights as they are now."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, self.trained, 1 - decay)
        if self.copies:
            torch._foreach_copy_(self.copies, self.counted)

    def state(self) -> dict[str, Any]:
        """The averages, and the number of steps they have followed."""
        return {"network": self.classifier.network.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self.classifier.network.load_state_dict(state["network"])
        self.steps = state["steps"]


def make_averaging(classifier: Classifier, decay: float | None) -> LatestWeights:
    """The moving average of the weights, or the latest ones where `decay` is None."""
    return LatestWeights(classifier) if decay is None else MovingAverage(classifier, decay)
