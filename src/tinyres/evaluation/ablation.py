"""What each of the paper's two changes brings: the 2×2 of them, and the share of the gain that is due to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyres.common.errors import UserError
from tinyres.common.model_folder import ModelDescription
from tinyres.evaluation.assessment import Assessment
from tinyres.evaluation.tables import Table
from tinyres.evaluation.uncertainty import mean_interval
from tinyres.params import Stem

STANDARD, SMALL = (7, 2), (3, 1)  # kernel and stride of the first convolution, pixels

Changes = tuple[bool, bool]
"""Whether the first convolution is the small one, and whether the max-pool is gone."""
CELLS: tuple[Changes, ...] = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True)
class Network:
    """One of the four."""

    name: str
    stem: Stem
    parameters: int
    multiply_accumulates: int
    """For one image."""
    train_accuracy: float
    """Fraction, at the end of training."""
    assessment: Assessment

    def figures(self) -> dict[str, float]:
        """The single numbers, accuracies as fractions."""
        cost = {"parameters": self.parameters, "multiply_accumulates": self.multiply_accumulates}
        return cost | {"train_accuracy": self.train_accuracy} | self.assessment.figures()


@dataclass(frozen=True)
class Effect:
    """A difference of accuracies, in fractions, with its 95 % interval over the test images."""

    value: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Effects:
    """The gain of both changes together, and where it comes from."""

    gain: Effect
    """Both changes against none."""
    stem: Effect
    """The small first convolution, in the mean of with and without the max-pool."""
    pool: Effect
    """No max-pool, in the mean of either first convolution."""
    interaction: Effect
    """Both changes together beyond the sum of each alone; half of it is in either of the two means."""

    def shares(self) -> dict[str, float] | None:
        """Fractions of the gain that are due to either change; they add up to 1, and one may lie outside [0, 1].

        None where they cannot be told: the gain's interval includes 0, so there may be nothing to share.
        """
        if not self.gain.is_told:
            return None
        return {"stem": self.stem.value / self.gain.value, "pool": self.pool.value / self.gain.value}

    def figures(self) -> dict[str, dict[str, float]]:
        """Values, interval ends and shares, all fractions."""
        named = {"gain": self.gain, "stem": self.stem, "pool": self.pool, "interaction": self.interaction}
        figures = {name: {"value": each.value, "low": each.low, "high": each.high} for name, each in named.items()}
        for name, share in (self.shares() or {}).items():
            figures[name]["share"] = share
        return figures


def effects_of(right: Mapping[Changes, NDArray[np.bool_]]) -> Effects:
    """Main effects and interaction of two changes on the accuracy.

    With a(stem, pool) the accuracy with (1) or without (0) each change:

        gain        = a(1, 1) − a(0, 0)
        stem        = ½ [a(1, 0) − a(0, 0)] + ½ [a(1, 1) − a(0, 1)]
        pool        = ½ [a(0, 1) − a(0, 0)] + ½ [a(1, 1) − a(1, 0)]
        interaction = a(1, 1) − a(1, 0) − a(0, 1) + a(0, 0)

    Hence stem + pool = gain: the two main effects of a 2×2 design are also the Shapley values of the changes
    (L. S. Shapley, 1953, doi:10.1515/9781400881970-018). Each is a mean over the test images, which all four
    networks see, so its interval is that of a mean. It speaks of other test images, not of other seeds.

    Args:
        right: by changes, whether each test image (N, at least 2) is named rightly.
    """
    none, stem, pool, both = (right[changes].astype(np.float64) for changes in CELLS)
    return Effects(
        gain=mean_effect(both - none),
        stem=mean_effect((stem - none + both - pool) / 2),
        pool=mean_effect((pool - none + both - stem) / 2),
        interaction=mean_effect(both - stem - pool + none),
    )


def mean_effect(values: NDArray[np.float64]) -> Effect:
    """Mean of N values and its 95 % interval."""
    return Effect(float(values.mean()), *mean_interval(values))


def changes_of(stem: Stem) -> Changes:
    """Which of the paper's changes a stem has.

    Raises:
        UserError: its first convolution is neither the standard nor the modified one.
    """
    first = (stem.kernel, stem.stride)
    if first not in (STANDARD, SMALL):
        raise UserError(
            f"The first convolution of kernel {stem.kernel}, stride {stem.stride} has no place in the ablation; "
            "give 7 and 2, or 3 and 1."
        )
    return first == SMALL, not stem.maxpool


def arrange(networks: Sequence[Network]) -> dict[Changes, Network]:
    """The four networks by their changes.

    Raises:
        UserError: a combination is missing, or there twice.
    """
    arranged = {changes_of(network.stem): network for network in networks}
    if len(networks) != len(CELLS) or len(arranged) != len(CELLS):
        raise UserError(
            "The ablation takes four networks, one for each combination of first convolution and max-pool, but got: "
            f"{', '.join(f'{each.name} ({stem_words(each.stem)})' for each in networks)}."
        )
    return {changes: arranged[changes] for changes in CELLS}


def check_comparable(descriptions: Sequence[ModelDescription]) -> None:
    """Refuse networks that differ in more than their stem.

    Raises:
        UserError: two were trained with other parameters or on other data; the sentence names what differs.
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
    """`7×7, stride 2, max-pool`."""
    return f"{first_convolution(stem)}, {'max-pool' if stem.maxpool else 'no max-pool'}"


def first_convolution(stem: Stem) -> str:
    """`7×7, stride 2`."""
    return f"{stem.kernel}×{stem.kernel}, stride {stem.stride}"


def networks_table(networks: Sequence[Network]) -> Table:
    """A row per network: its stem, its cost, its accuracies in per cent."""
    header = ["network", "first convolution", "max-pool", "parameters (millions)"]
    header += ["multiply-accumulates per image (millions)", "training accuracy (%)", "test accuracy (%)"]
    header += ["lower end of the 95 % interval (%)", "upper end of the 95 % interval (%)"]
    rows = []
    for each in networks:
        figures = each.figures()
        shares = (figures[f"{name}"] for name in ("train_accuracy", "test_accuracy"))
        ends = (figures[f"test_accuracy_{end}"] for end in ("low", "high"))
        cells = [each.name, first_convolution(each.stem), "yes" if each.stem.maxpool else "no"]
        cells += [f"{each.parameters / 1e6:.3f}", f"{each.multiply_accumulates / 1e6:.1f}"]
        rows.append([*cells, *(f"{100 * value:.2f}" for value in (*shares, *ends))])
    return Table(header, rows)


def effects_table(effects: Effects) -> Table:
    """A row per effect on the test accuracy, in points, and the share of the gain."""
    header = ["effect on test accuracy", "points", "lower end of the 95 % interval", "upper end of the 95 % interval"]
    words = {
        "stem": "3×3 stride 1 in place of 7×7 stride 2 (mean of with and without max-pool)",
        "pool": "no max-pool (mean of both first convolutions)",
        "gain": "both changes",
        "interaction": "both changes beyond the sum of each alone",
    }
    figures, shares = effects.figures(), effects.shares()
    rows = []
    for name, told in words.items():
        each = figures[name]
        row = [told, *(f"{100 * each[key]:+.2f}" for key in ("value", "low", "high"))]
        rows.append([*row, share_cell(name, shares)])
    return Table([*header, "share of the gain (%)"], rows)


def share_cell(name: str, shares: Mapping[str, float] | None) -> str:
    """The share of the gain, per cent; nothing for the interaction, which is in the other two."""
    if name == "interaction":
        return ""
    if shares is None:
        return "cannot be told"
    return f"{100 * (sum(shares.values()) if name == 'gain' else shares[name]):.1f}"
