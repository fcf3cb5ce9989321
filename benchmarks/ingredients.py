"""What each ingredient that the paper does not use costs a training step: a training epoch of the standard ResNet-18
by the paper's recipe with it, as after `dvc exp run -S`, over one by the recipe as it stands. What costs nothing lies
at 1, as far as the pairs' spread can tell."""

from typing import Any

from benchmarks.measure import Figure, interleave, median, ratios, spread
from benchmarks.setting import Setting, epoch_seconds, first, make_trainer
from tinyres.params.overrides import override
from tinyres.training.trainer import Trainer

TITLE = "Ingredients"
REPETITIONS = 5
NETWORK = "baseline"
CHANGES: tuple[dict[str, Any], ...] = (
    {"models.baseline.dropout": 0.2},
    {"models.baseline.stochastic_depth": 0.2},
    {"loss.label_smoothing": 0.1},
    {"loss.adversarial.epsilon": 2},
    {"loss.adversarial.epsilon": 2, "loss.adversarial.steps": 3},
    {"optimizer.decays_norms_and_biases": False},
    {"optimizer.averaging": 0.999},
    {"optimizer.sharpness": 0.1},
    {"optimizer.clip_norm": 1},
    {"optimizer.accumulation": 2},
    {"optimizer.name": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True},
    {"scheduler.every": "step"},
    {"augment.online.policy": "randaugment"},
    {"augment.online.policy": "autoaugment"},
    {"augment.online.policy": "trivialaugment"},
    {"augment.online.policy": "augmix"},
    {"augment.online.erasing": 0.25},
    {"augment.online.mixup": 0.2},
    {"augment.online.cutmix": 1},
)


def measure(setting: Setting) -> list[Figure]:
    """One ratio per ingredient."""
    without = trainer(setting)
    return [ratio(setting, changes, without) for changes in CHANGES]


def ratio(setting: Setting, changes: dict[str, Any], without: Trainer) -> Figure:
    """The epoch's time with the changes over that without."""
    changed = trainer(setting, **changes)
    contenders = {"with": lambda: epoch_seconds(changed), "without": lambda: epoch_seconds(without)}
    seconds = interleave(contenders, REPETITIONS)
    pairs = ratios(seconds["with"], seconds["without"])
    steps = len(without.images.train) // without.params.batch_size
    each = {name: median(times) / steps * 1000 for name, times in seconds.items()}
    detail = f"{each['with']:.1f} against {each['without']:.1f} ms a step; {spread(pairs)}"
    name = " ".join(override(*change) for change in changes.items())
    return Figure(f"`{name}`", median(pairs), "×", "", detail)


def trainer(setting: Setting, **changes: Any) -> Trainer:
    """Ours with other values of the recipe, on as many images as make an epoch of about a second."""
    split = first(setting.images, 25_600 if setting.on_gpu else 512)
    return make_trainer(NETWORK, split, setting.batch_sizes[-1], setting.machine, **changes)
