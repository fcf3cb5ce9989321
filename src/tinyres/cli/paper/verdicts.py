"""The rules by which measured results decide on the paper's claims.

Accuracies are those of the modified network unless a rule says otherwise. Rules use 95 % intervals over images: a claim
about a single figure holds if that figure lies inside the interval, so a true one fails once in twenty by chance. Only
one seed was trained, and no interval here covers what other seeds would give.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from scipy.stats import mannwhitneyu

from tinyres.common.curves import EpochRecord
from tinyres.evaluation.uncertainty import Estimate, wilson_interval

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000  # of CIFAR-100
IMAGES_PER_CLASS = 100  # among the test images
EXTREMES = 5  # classes on each side of Table 3
BEST = {"wardrobe": 94, "road": 93, "sunflower": 92, "skyscraper": 91, "motorcycle": 91}
"""The paper's Table 3, left half: accuracy in per cent."""
WORST = {"boy": 41, "otter": 42, "lizard": 47, "woman": 47, "girl": 48}
"""Its right half."""
OBJECTS = frozenset({"food_containers", "household_electrical_devices", "household_furniture",
                     "large_man-made_outdoor_things", "vehicles_1", "vehicles_2"})  # fmt: skip
"""CIFAR-100's superclasses of man-made things, 30 classes; the other 70 classes are natural."""
PLATEAU = 84  # where validation accuracy ends according to the paper's text on Figure 4(a), %
TENTH = 0.1  # how far ours may be from a figure of the paper to be "around" it, as a fraction of that figure
MINIMAL = 0.05  # largest gap between training and test accuracy that counts as minimal overfitting, a fraction
NO_STRUCTURE = 0.25
"""Up to this silhouette there is no substantial structure: L. Kaufman and P. J. Rousseeuw, "Finding Groups in Data",
1990, doi:10.1002/9780470316801, chapter 2."""
SIGNIFICANT = 0.05  # p


class Verdict(StrEnum):
    """What the results say about a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "undecided"


@dataclass(frozen=True)
class StudyResults:
    """What the full study measured; accuracies are fractions, and all but `figures` are the modified network's."""

    paper: Mapping[str, Mapping[str, float]]
    """The paper's Table 2 by model and metric, in per cent."""
    figures: Mapping[str, Mapping[str, float]]
    """By model, the test metrics of `metrics/evaluate.json`, and `train_accuracy`."""
    difference: Mapping[str, float]
    """`test_accuracy`, modified minus baseline on the same images, with its interval (`_low` and `_high`)."""
    per_class: Mapping[str, float]
    """Test accuracy by class."""
    superclasses: Mapping[str, str]
    """The superclass of each class."""
    confused: Sequence[tuple[str, str, int]]
    """The most confused pairs of classes, most first: actual, predicted, images."""
    embedding: Mapping[str, float]
    """k-nearest-neighbour accuracy and silhouette of the penultimate features."""
    history: Sequence[EpochRecord]
    """The curves, one record per epoch."""


@dataclass(frozen=True)
class Finding:
    """A verdict and the numbers it rests on, in words."""

    verdict: Verdict
    measured: str


def includes(estimate: Estimate, figure: float) -> Verdict:
    """Holds if the paper's figure (a fraction) lies inside the interval."""
    return Verdict.HOLDS if estimate.low <= figure <= estimate.high else Verdict.FAILS


def is_above(estimate: Estimate, bound: float) -> Verdict:
    """Holds if the whole interval lies above the bound (a fraction), fails if below; otherwise it is undecided."""
    if estimate.low > bound:
        return Verdict.HOLDS
    return Verdict.FAILS if estimate.high < bound else Verdict.OPEN


def shown(estimate: Estimate, sign: str = "") -> str:
    """Return `70.19 (69.28 to 71.08)`, in per cent; with `+` as sign, signed."""
    value, low, high = (format(100 * each, f"{sign}.2f") for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def share_interval(share: float, count: int) -> Estimate:
    """Return a share of `count` images with its Wilson interval."""
    return Estimate(share, *wilson_interval(round(share * count), count))


def difference_interval(first: Estimate, second: Estimate) -> Estimate:
    """Return second minus first, measured on different images, by method 10 of R. G. Newcombe.

    Statistics in Medicine 17, 1998, 873.
    """
    difference = second.value - first.value
    below = ((second.value - second.low) ** 2 + (first.high - first.value) ** 2) ** 0.5
    above = ((second.high - second.value) ** 2 + (first.value - first.low) ** 2) ** 0.5
    return Estimate(difference, difference - below, difference + above)


def accuracy_in_training(results: StudyResults, model: str) -> Estimate:
    """Running training accuracy in the last epoch, under augmentation, as the paper's loop computes it."""
    return share_interval(results.figures[model]["train_accuracy"], TRAIN_IMAGES)


def accuracy_in_test(results: StudyResults, model: str) -> Estimate:
    """Test accuracy with the interval that `evaluate` computed."""
    figures = results.figures[model]
    return Estimate(figures["test_accuracy"], figures["test_accuracy_low"], figures["test_accuracy_high"])


def improvement_in_test(results: StudyResults) -> Estimate:
    """Improvement in test accuracy; both networks saw the same images."""
    return Estimate(*(results.difference[f"test_accuracy{end}"] for end in ("", "_low", "_high")))


def improvement_in_training(results: StudyResults) -> Estimate:
    """Improvement in training accuracy; the two networks saw differently augmented images."""
    return difference_interval(accuracy_in_training(results, "baseline"), accuracy_in_training(results, "modified"))


def generalisation_gap(results: StudyResults) -> Estimate:
    """Training accuracy minus test accuracy."""
    return difference_interval(accuracy_in_test(results, "modified"), accuracy_in_training(results, "modified"))


def judge_accuracy(model: str, metric: str) -> Callable[[StudyResults], Finding]:
    """Compare the paper's figure in Table 2 with our interval."""
    measure = {"train_accuracy": accuracy_in_training, "test_accuracy": accuracy_in_test}[metric]

    def judge(results: StudyResults) -> Finding:
        ours = measure(results, model)
        return Finding(includes(ours, results.paper[model][metric] / 100), f"{shown(ours)} %")

    return judge


def judge_improvement(metric: str) -> Callable[[StudyResults], Finding]:
    """Compare the paper's improvement in Table 2 with our interval."""
    measure = {"train_accuracy": improvement_in_training, "test_accuracy": improvement_in_test}[metric]

    def judge(results: StudyResults) -> Finding:
        ours = measure(results)
        claimed = results.paper["modified"][metric] - results.paper["baseline"][metric]
        return Finding(includes(ours, claimed / 100), f"{shown(ours, '+')} points")

    return judge


def judge_better(results: StudyResults) -> Finding:
    ours = improvement_in_test(results)
    return Finding(is_above(ours, 0), f"{shown(ours, '+')} points")


def judge_minimal_overfitting(results: StudyResults) -> Finding:
    opposite = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS, Verdict.OPEN: Verdict.OPEN}
    finding = judge_overfitting(results)
    return Finding(opposite[finding.verdict], finding.measured)


def judge_overfitting(results: StudyResults) -> Finding:
    ours = generalisation_gap(results)
    return Finding(is_above(ours, MINIMAL), f"{shown(ours)} points between training and test accuracy")


def judge_diagonal(results: StudyResults) -> Finding:
    """Compare each class's correct predictions with its most frequent confusion.

    Only the most confused pairs are listed; any other pair has at most as many images as the last of them.
    """
    listed: dict[str, int] = {}
    for actual, _, images in results.confused:
        listed.setdefault(actual, images)
    unlisted = results.confused[-1][2] if results.confused else 0
    correct = {name: round(share * IMAGES_PER_CLASS) for name, share in results.per_class.items()}
    failing = [name for name, images in listed.items() if images >= correct[name]]
    unresolved = [name for name, count in correct.items() if name not in listed and count <= unlisted]
    weakest = min(correct, key=lambda name: correct[name] - listed.get(name, unlisted))
    measured = (
        f"closest: {weakest.replace('_', ' ')}, {correct[weakest]} of {IMAGES_PER_CLASS} images correct, "
        f"{'at most ' if weakest not in listed else ''}{listed.get(weakest, unlisted)} predicted as one other class"
    )
    verdict = Verdict.FAILS if failing else Verdict.OPEN if unresolved else Verdict.HOLDS
    return Finding(verdict, measured)


def is_around(ours: float, claimed: float) -> bool:
    """Whether ours is within a tenth of the paper's figure, in any one unit."""
    return abs(ours - claimed) <= TENTH * claimed + 1e-12


def judge_curve(series: str, unit: str, **claimed: float) -> Callable[[StudyResults], Finding]:
    """Compare the first and the last epoch of a curve with what the paper's text says of Figure 4."""
    scale = 100 if unit == "%" else 1

    def judge(results: StudyResults) -> Finding:
        ends = {"first": results.history[0][series] * scale, "last": results.history[-1][series] * scale}
        holds = all(is_around(ends[end], figure) for end, figure in claimed.items())
        measured = ", ".join(f"{ends[end]:.2f} {unit} in the {end} epoch" for end in claimed)
        return Finding(Verdict.HOLDS if holds else Verdict.FAILS, measured)

    return judge


def judge_steady(results: StudyResults) -> Finding:
    accuracies = [record["train_accuracy"] for record in results.history]
    falls = [number + 2 for number, (a, b) in enumerate(pairwise(accuracies)) if b < a]
    measured = f"falls in epoch {', '.join(map(str, falls))}" if falls else f"falls in none of {len(accuracies)} epochs"
    return Finding(Verdict.FAILS if falls else Verdict.HOLDS, measured)


def judge_divergence(results: StudyResults) -> Finding:
    losses = [record["test_loss"] for record in results.history]
    lowest = min(losses)
    holds = losses[-1] <= (1 + TENTH) * lowest
    measured = (
        f"test loss {losses[-1]:.3f} nats at the end, {lowest:.3f} at its lowest (epoch {losses.index(lowest) + 1})"
    )
    return Finding(Verdict.HOLDS if holds else Verdict.FAILS, measured)


def extremes(per_class: Mapping[str, float], best: bool) -> list[str]:
    """Return the five best or worst classes, and any that tie with the fifth."""
    ranked = sorted(per_class, key=lambda name: (per_class[name], name), reverse=best)
    bound = per_class[ranked[EXTREMES - 1]]
    return [name for name in ranked if (per_class[name] >= bound if best else per_class[name] <= bound)]


def judge_classes(best: bool) -> Callable[[StudyResults], Finding]:
    """Count how many of the paper's five classes are among our five."""
    claimed = BEST if best else WORST

    def judge(results: StudyResults) -> Finding:
        ours = extremes(results.per_class, best)
        common = [name for name in claimed if name in ours]
        verdict = Verdict.HOLDS if len(common) >= 3 else Verdict.FAILS if len(common) <= 1 else Verdict.OPEN
        return Finding(verdict, f"{len(common)} of 5; ours: {', '.join(ours).replace('_', ' ')}")

    return judge


def judge_level(best: bool) -> Callable[[StudyResults], Finding]:
    """Compare the mean accuracy of the paper's five best or worst classes with our interval."""
    claimed = (BEST if best else WORST).values()

    def judge(results: StudyResults) -> Finding:
        accuracies = sorted(results.per_class.values(), reverse=best)[:EXTREMES]
        ours = share_interval(sum(accuracies) / EXTREMES, EXTREMES * IMAGES_PER_CLASS)
        ends = f"from {100 * min(accuracies):.0f} to {100 * max(accuracies):.0f} %"
        return Finding(includes(ours, sum(claimed) / EXTREMES / 100), f"{ends}, on average {shown(ours)} %")

    return judge


def judge_objects(results: StudyResults) -> Finding:
    """Compare 30 classes with 70 by Mann and Whitney's test (1947, doi:10.1214/aoms/1177730491)."""
    made = [share for name, share in results.per_class.items() if results.superclasses[name] in OBJECTS]
    natural = [share for name, share in results.per_class.items() if results.superclasses[name] not in OBJECTS]
    test = mannwhitneyu(made, natural)
    ahead = float(test.statistic) / (len(made) * len(natural))
    verdict = Verdict.OPEN
    if test.pvalue < SIGNIFICANT:
        verdict = Verdict.HOLDS if ahead > 0.5 else Verdict.FAILS
    means = f"{100 * sum(made) / len(made):.1f} % for objects, {100 * sum(natural) / len(natural):.1f} % for the others"
    return Finding(
        verdict, f"mean accuracy {means}; an object is ahead in {100 * ahead:.0f} % of pairs, p = {test.pvalue:.2g}"
    )


def judge_clusters(results: StudyResults) -> Finding:
    neighbours, silhouette = (results.embedding[f"superclass_{name}"] for name in ("knn", "silhouette"))
    criteria = [neighbours > 0.5, silhouette > NO_STRUCTURE]
    verdict = Verdict.HOLDS if all(criteria) else Verdict.OPEN if any(criteria) else Verdict.FAILS
    return Finding(
        verdict, f"the nearest neighbours agree for {100 * neighbours:.1f} % of images, silhouette {silhouette:.3f}"
    )


def judge_mistakes(results: StudyResults) -> Finding:
    figures = results.figures["modified"]
    if "test_errors_inside" not in figures:
        return Finding(Verdict.OPEN, "the network made no mistakes")
    errors = round((1 - figures["test_accuracy"]) * TEST_IMAGES)
    ours = share_interval(figures["test_errors_inside"], errors)
    chance = 100 * figures["test_errors_inside_chance"]
    return Finding(is_above(ours, 0.5), f"{shown(ours)} % of {errors:,} mistakes; by chance it would be {chance:.1f} %")
