"""What training lowers, held against its definitions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from small_training import TRAIN, changed, network, trainer
from tinyres.models import Classifier
from tinyres.params import Adversarial, Loss
from tinyres.training.objective import Objective, climb, make_attack

NO_ATTACK = Adversarial(epsilon=0, steps=1)
PIXELS, LABELS = TRAIN.images[::5] / 255, TRAIN.labels[::5]


def objective(label_smoothing: float = 0, adversarial: Adversarial = NO_ATTACK) -> Objective:
    torch.manual_seed(0)
    classifier = Classifier(network(), [0.3] * 3, [0.4] * 3).train()
    classifier.network[4] = nn.Identity()  # dropout would draw anew each time
    return Objective(classifier, classifier, Loss(label_smoothing=label_smoothing, adversarial=adversarial))


@given(smoothing=st.floats(0, 0.99))
@settings(max_examples=20)
def test_a_smoothed_label_is_spread_evenly_over_all_classes(smoothing):
    loss, logits = objective(smoothing)(PIXELS, LABELS)
    labels = (1 - smoothing) * F.one_hot(LABELS, 10) + smoothing / 10
    expected = -(labels * logits.log_softmax(dim=1)).sum(dim=1).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_labels_may_be_probabilities():
    loss, logits = objective()(PIXELS, F.one_hot(LABELS, 10).float())
    assert loss.item() == pytest.approx(F.cross_entropy(logits, LABELS).item(), rel=1e-6)


def seen_by_the_network(epsilon: float, steps: int) -> tuple[Tensor, float, float]:
    """What becomes of the pixels, and the loss on them and on the pixels as they were."""
    seen = []
    each = objective(adversarial=Adversarial(epsilon=epsilon, steps=steps))
    clean, _ = objective()(PIXELS, LABELS)
    each.classifier.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    loss, _ = each(PIXELS, LABELS)
    return seen[-1] * 0.4 + 0.3, loss.item(), clean.item()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_attack_raises_the_loss_and_moves_no_pixel_further_than_epsilon(steps):
    epsilon = 8
    changed_pixels, loss, clean = seen_by_the_network(epsilon, steps)
    assert loss > clean
    assert (changed_pixels - PIXELS).abs().max() <= epsilon / 255 + 1e-6
    assert changed_pixels.min() >= -1e-6
    assert changed_pixels.max() <= 1 + 1e-6


def test_one_step_is_the_sign_of_the_gradient():
    """Of the loss a·x the gradient is a."""
    slope = torch.tensor([1.0, -2.0, 0.0, 3.0]).view(1, 1, 2, 2)
    pixels = torch.tensor([0.5, 0.5, 0.5, 0.99]).view(1, 1, 2, 2)
    attack = make_attack(Adversarial(epsilon=25.5, steps=1))
    assert attack is not None
    found = attack(lambda changed: (slope * changed).sum(), pixels)
    assert torch.allclose(found.flatten(), torch.tensor([0.6, 0.4, 0.5, 1.0]))


def test_a_step_ends_at_epsilon_from_where_the_image_was():
    pixels = torch.full((1, 1, 1, 1), 0.5)
    found = climb(lambda changed: changed.sum(), pixels, pixels + 0.08, step=0.05, epsilon=0.1)
    assert found.item() == pytest.approx(0.6)


def test_more_steps_hit_harder_than_one():
    assert seen_by_the_network(8, 10)[1] > seen_by_the_network(8, 1)[1]


def test_an_attack_leaves_no_gradient_and_no_running_statistics_behind():
    """They are those of one pass over the changed images."""
    attacked, plain, seen = objective(adversarial=Adversarial(epsilon=8, steps=3)), objective(), []
    attacked.classifier.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    attacked(PIXELS, LABELS)
    assert len(seen) == 4
    assert all(weight.grad is None for weight in attacked.classifier.parameters())
    plain.classifier.network(seen[-1])
    for statistic in ("running_mean", "running_var"):
        found, expected = (getattr(each.classifier.network[1], statistic) for each in (attacked, plain))
        assert torch.equal(found, expected)


def test_adversarial_training_is_harder(checkpoints):
    losses = []
    for epsilon in (0, 16):
        each = trainer(changed(lr=0.01, loss__adversarial={"epsilon": epsilon, "steps": 1}), checkpoints)
        losses.append(each.fit()[-1]["train_loss"])
        checkpoints.remove()
    assert losses[1] > losses[0]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_mixed_image_is_right_as_the_class_that_it_has_most_of(parts, checkpoints):
    each = trainer(changed(optimizer__accumulation=parts), checkpoints)
    labels = 0.6 * F.one_hot(LABELS, 10) + 0.4 * F.one_hot((LABELS + 1) % 10, 10)
    each._train_step(PIXELS, labels, len(labels))
    mixed = each.sums.read()
    checkpoints.remove()
    other = trainer(changed(optimizer__accumulation=parts), checkpoints)
    other._train_step(PIXELS, LABELS, len(LABELS))
    plain = other.sums.read()
    assert mixed[1:] == plain[1:]
    assert mixed[0] != plain[0]
