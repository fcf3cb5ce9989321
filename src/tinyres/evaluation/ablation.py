"""Ablation of the paper's two changes: a 2×2 design of networks, and how much of the gain is due to each change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.assessment import Assessment
from tinyres.evaluation.tables import Table
from tinyres.evaluation.uncertainty import Estimate, mean_interval
from tinyres.params import Stem

STANDARD, SMALL = (7, 2), (3, 1)  # kernel and stride of the first convolution, pixels

Changes = tuple[bool, bool]
"""Whether the first convolution is the small one, and whether the max-pool is removed."""
CELLS: tuple[Changes, ...] = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True)
class Network:
    """One of the four networks, with what it costs and what it reaches."""

    name: str
    stem: Stem
    parameters: int
    """The number of its parameters."""
    multiply_accumulates: int
    """The number of multiply-accumulate operations for one image."""
    train_accuracy: float
    """Running accuracy in the last epoch of training, a fraction."""
    assessment: Assessment

    def figures(self) -> dict[str, float]:
        """Return the scalar metrics under the names that the metrics file uses; accuracies are fractions."""
        cost = {"parameters": self.parameters, "multiply_accumulates": self.multiply_accumulates}
        return cost | {"train_accuracy": self.train_accuracy} | self.assessment.figures()


@dataclass(frozen=True)
class FactorialEffects:
    """The gain in test accuracy of both changes together, and the effect of each."""

    gain: Estimate
    """Both changes against none."""
    stem: Estimate
    """Main effect of the small first convolution: its gain averaged over networks with and without the max-pool."""
    pool: Estimate
    """Main effect of removing the max-pool: its gain averaged over networks with either first convolution."""
    interaction: Estimate
    """What both changes together gain beyond the sum of what each gains alone; each main effect contains half of it."""

    def shares(self) -> dict[str, float] | None:
        """Return the fraction of the gain that is due to each change.

        The two add up to 1; either may lie outside [0, 1]. None if the interval of the gain includes 0, since there may
        then be nothing to share.
        """
        if not self.gain.excludes_zero:
            return None
        return {"stem": self.stem.value / self.gain.value, "pool": self.pool.value / self.gain.value}

    def figures(self) -> dict[str, dict[str, float]]:
        """Return value, interval and share of each effect, all fractions, under the metrics file's names."""
        named = {"gain": self.gain, "stem": self.stem, "pool": self.pool, "interaction": self.interaction}
        figures = {name: {"value": each.value, "low": each.low, "high": each.high} for name, each in named.items()}
        for name, share in (self.shares() or {}).items():
            figures[name]["share"] = share
        return figures


def factorial_effects(correct: Mapping[Changes, NDArray[np.bool_]]) -> FactorialEffects:
    """Return the main effects of two changes on the accuracy, and their interaction.

    With a(stem, pool) the accuracy with (1) or without (0) each change:

        gain        = a(1, 1) − a(0, 0)
        stem        = ½ [a(1, 0) − a(0, 0)] + ½ [a(1, 1) − a(0, 1)]
        pool        = ½ [a(0, 1) − a(0, 0)] + ½ [a(1, 1) − a(1, 0)]
        interaction = a(1, 1) − a(1, 0) − a(0, 1) + a(0, 0)

    Hence stem + pool = gain: the main effects of a 2×2 design are also the Shapley values of the changes
    (L. S. Shapley, 1953, doi:10.1515/9781400881970-018). Each is a mean over the test images, which all four networks
    share, and has the interval of a mean. That interval is about other test images, not about other seeds.

    Args:
        correct: For each combination of changes, whether its network classifies each test image correctly (N ≥ 2).
    """
    none, stem, pool, both = (correct[changes].astype(np.float64) for changes in CELLS)
    return FactorialEffects(
        gain=_mean_estimate(both - none),
        stem=_mean_estimate((stem - none + both - pool) / 2),
        pool=_mean_estimate((pool - none + both - stem) / 2),
        interaction=_mean_estimate(both - stem - pool + none),
    )


def _mean_estimate(values: NDArray[np.float64]) -> Estimate:
    return Estimate(float(values.mean()), *mean_interval(values))


def changes_of(stem: Stem) -> Changes:
    """Return which of the paper's two changes a stem has.

    Raises:
        UserError: The first convolution is neither the standard nor the modified one.
    """
    first = (stem.kernel, stem.stride)
    if first not in (STANDARD, SMALL):
        raise UserError(
            f"A first convolution with kernel {stem.kernel}, stride {stem.stride} has no place in the ablation; "
            "use kernel 7 with stride 2, or kernel 3 with stride 1."
        )
    return first == SMALL, not stem.maxpool


def arrange(networks: Sequence[Network]) -> dict[Changes, Network]:
    """Return the four networks by their changes, in the order of `CELLS`.

    Raises:
        UserError: A combination is missing, or there twice.
    """
    arranged = {changes_of(network.stem): network for network in networks}
    if len(networks) != len(CELLS) or len(arranged) != len(CELLS):
        raise UserError(
            "The ablation takes four networks, one for each combination of first convolution and max-pool, but got: "
            f"{', '.join(f'{each.name} ({stem_words(each.stem)})' for each in networks)}."
        )
    return {changes: arranged[changes] for changes in CELLS}


def check_comparable(descriptions: Sequence[ModelDescription]) -> None:
    """Refuse to compare networks that differ in more than their stem.

    Raises:
        UserError: Two networks were trained with different parameters or images; the message names the difference.
    """
    first = descriptions[0]
    for other in descriptions[1:]:
        if other.training["data"] != first.training["data"]:
            raise UserError(f"{other.name} and {first.name} were trained on different images; run `dvc repro` again.")
        ours, theirs = (
            {**each.training["params"], "model": {**each.training["params"]["model"], "stem": None}}
            for each in (first, other)
        )
        differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        if differing:
            name = differing[0]
            raise UserError(
                f"{other.name} was trained with {name} = {theirs.get(name)}, {first.name} with {ours.get(name)}; "
                "give both studies' params.yaml the same value and run `dvc repro` again."
            )


def stem_words(stem: Stem) -> str:
    """Return `7×7, stride 2, max-pool`, say."""
    return f"{first_convolution(stem)}, {'max-pool' if stem.maxpool else 'no max-pool'}"


def first_convolution(stem: Stem) -> str:
    """Return `7×7, stride 2`, say."""
    return f"{stem.kernel}×{stem.kernel}, stride {stem.stride}"


def networks_table(networks: Sequence[Network]) -> Table:
    """Tabulate each network's stem, its cost, and its accuracies in per cent."""
    header = ["network", "first convolution", "max-pool", "parameters (millions)"]
    header += ["multiply-accumulates per image (millions)", "training accuracy (%)", "test accuracy (%)"]
    header += ["lower end of the 95 % interval (%)", "upper end of the 95 % interval (%)"]
    rows = []
    for each in networks:
        figures = each.figures()
        shares = (figures[name] for name in ("train_accuracy", "test_accuracy"))
        ends = (figures[f"test_accuracy_{end}"] for end in ("low", "high"))
        cells = [each.name, first_convolution(each.stem), "yes" if each.stem.maxpool else "no"]
        cells += [f"{each.parameters / 1e6:.3f}", f"{each.multiply_accumulates / 1e6:.1f}"]
        rows.append([*cells, *(f"{100 * value:.2f}" for value in (*shares, *ends))])
    return Table(header, rows)


def factorial_effects_table(effects: FactorialEffects) -> Table:
    """Tabulate the effects on the test accuracy in percentage points, each with its share of the gain."""
    header = ["effect on test accuracy", "points", "lower end of the 95 % interval", "upper end of the 95 % interval"]
    words = {
        "stem": "3×3 stride 1 in place of 7×7 stride 2 (mean of with and without max-pool)",
        "pool": "no max-pool (mean of both first convolutions)",
        "gain": "both changes",
        "interaction": "both changes beyond the sum of each alone",
    }
    figures, shares = effects.figures(), effects.shares()
    rows = []
    for name, description in words.items():
        each = figures[name]
        row = [description, *(f"{100 * each[key]:+.2f}" for key in ("value", "low", "high"))]
        rows.append([*row, share_cell(name, shares)])
    return Table([*header, "share of the gain (%)"], rows)


def share_cell(name: str, shares: Mapping[str, float] | None) -> str:
    """Return the share of the gain in per cent; empty for the interaction, which the main effects contain."""
    if name == "interaction":
        return ""
    if shares is None:
        return "undetermined"
    return f"{100 * (sum(shares.values()) if name == 'gain' else shares[name]):.1f}"
