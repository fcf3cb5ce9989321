"""The paper's claims, each with the rule by which measured results decide on it.

All accuracies are the modified network's unless a claim says otherwise. Rules take 95 % intervals over images; a claim
about a single figure holds where the figure lies inside, so it may fail by chance once in twenty. One seed was trained:
what other seeds would give, no interval here knows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from scipy.stats import mannwhitneyu

from tinyres.common.curves import EpochRecord
from tinyres.evaluation.uncertainty import wilson_interval

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000  # of CIFAR-100
IMAGES_PER_CLASS = 100  # among the test images
EXTREMES = 5  # classes at either end of Table 3
BEST = {"wardrobe": 94, "road": 93, "sunflower": 92, "skyscraper": 91, "motorcycle": 91}
"""The paper's Table 3, left half: accuracy in per cent."""
WORST = {"boy": 41, "otter": 42, "lizard": 47, "woman": 47, "girl": 48}
"""Its right half."""
OBJECTS = frozenset({"food_containers", "household_electrical_devices", "household_furniture",
                     "large_man-made_outdoor_things", "vehicles_1", "vehicles_2"})  # fmt: skip
"""CIFAR-100's superclasses of man-made things, 30 classes; those of the other 70 are natural."""
TENTH = 0.1  # how far from a figure that the paper calls "around" ours may be, as a share of it
MINIMAL = 0.05  # largest gap between training and test accuracy that is called minimal overfitting
NO_STRUCTURE = 0.25
"""Silhouettes up to here show no substantial structure: L. Kaufman and P. J. Rousseeuw, "Finding Groups in Data", 1990,
doi:10.1002/9780470316801, chapter 2."""
SIGNIFICANT = 0.05  # p


class Verdict(StrEnum):
    """What the results say of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "cannot be told"


@dataclass(frozen=True)
class Results:
    """What the full study measured; accuracies are fractions."""

    paper: Mapping[str, Mapping[str, float]]
    """The paper's Table 2 by model and metric, per cent."""
    figures: Mapping[str, Mapping[str, float]]
    """By model: the test figures of `metrics/evaluate.json` and `train_accuracy`."""
    difference: Mapping[str, float]
    """`test_accuracy`, modified minus baseline on the same images, and its interval's ends `_low` and `_high`."""
    per_class: Mapping[str, float]
    """Test accuracy by class."""
    superclasses: Mapping[str, str]
    """By class."""
    confused: Sequence[tuple[str, str, int]]
    """The most confused pairs, most first: actual, predicted, images."""
    embedding: Mapping[str, float]
    """k-nearest-neighbour accuracy and silhouette of the penultimate features."""
    history: Sequence[EpochRecord]
    """One record per epoch."""


@dataclass(frozen=True)
class Finding:
    """A verdict and the numbers behind it."""

    verdict: Verdict
    measured: str


@dataclass(frozen=True)
class Claim:
    """One thing that the paper says."""

    name: str
    """In our words."""
    quote: str
    place: str
    """Where the paper says so."""
    rule: str
    """When it holds and when not, for the reader."""
    judge: Callable[[Results], Finding]
    note: str = ""


@dataclass(frozen=True)
class Interval:
    """An estimate, a fraction, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def includes(self, figure: float) -> Verdict:
        """Whether the paper's figure is compatible with ours."""
        return Verdict.HOLDS if self.low <= figure <= self.high else Verdict.FAILS

    def is_above(self, bound: float) -> Verdict:
        """Told only where the whole interval lies on one side."""
        if self.low > bound:
            return Verdict.HOLDS
        return Verdict.FAILS if self.high < bound else Verdict.OPEN

    def words(self, sign: str = "") -> str:
        """`70.19 (69.28 to 71.08)`, in per cent."""
        value, low, high = (format(100 * each, f"{sign}.2f") for each in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


def share_interval(share: float, count: int) -> Interval:
    """A share of `count` images and its Wilson interval."""
    return Interval(share, *wilson_interval(round(share * count), count))


def difference_interval(first: Interval, second: Interval) -> Interval:
    """Second minus first, of different images: method 10 of R. G. Newcombe, Statistics in Medicine 17, 1998, 873."""
    difference = second.value - first.value
    below = ((second.value - second.low) ** 2 + (first.high - first.value) ** 2) ** 0.5
    above = ((second.high - second.value) ** 2 + (first.value - first.low) ** 2) ** 0.5
    return Interval(difference, difference - below, difference + above)


def accuracy_in_training(results: Results, model: str) -> Interval:
    """Of the last epoch, under augmentation, as the paper's loop counts it."""
    return share_interval(results.figures[model]["train_accuracy"], TRAIN_IMAGES)


def accuracy_in_test(results: Results, model: str) -> Interval:
    """As `evaluate` gives it."""
    figures = results.figures[model]
    return Interval(figures["test_accuracy"], figures["test_accuracy_low"], figures["test_accuracy_high"])


def improvement(results: Results) -> Interval:
    """Of the test accuracy, on the same images."""
    return Interval(*(results.difference[f"test_accuracy{end}"] for end in ("", "_low", "_high")))


def training_improvement(results: Results) -> Interval:
    """Of the training accuracy; the two networks saw differently augmented images."""
    return difference_interval(accuracy_in_training(results, "baseline"), accuracy_in_training(results, "modified"))


def gap(results: Results) -> Interval:
    """Training accuracy minus test accuracy."""
    return difference_interval(accuracy_in_test(results, "modified"), accuracy_in_training(results, "modified"))


def judge_accuracy(model: str, metric: str) -> Callable[[Results], Finding]:
    """The paper's figure of Table 2 against the interval of ours."""
    measure = {"train_accuracy": accuracy_in_training, "test_accuracy": accuracy_in_test}[metric]

    def judge(results: Results) -> Finding:
        ours = measure(results, model)
        return Finding(ours.includes(results.paper[model][metric] / 100), f"{ours.words()} %")

    return judge


def judge_improvement(metric: str) -> Callable[[Results], Finding]:
    """The paper's improvement against the interval of ours."""
    measure = {"train_accuracy": training_improvement, "test_accuracy": improvement}[metric]

    def judge(results: Results) -> Finding:
        ours = measure(results)
        claimed = results.paper["modified"][metric] - results.paper["baseline"][metric]
        return Finding(ours.includes(claimed / 100), f"{ours.words('+')} points")

    return judge


def judge_better(results: Results) -> Finding:
    ours = improvement(results)
    return Finding(ours.is_above(0), f"{ours.words('+')} points")


def judge_minimal_overfitting(results: Results) -> Finding:
    opposite = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS, Verdict.OPEN: Verdict.OPEN}
    finding = judge_overfitting(results)
    return Finding(opposite[finding.verdict], finding.measured)


def judge_overfitting(results: Results) -> Finding:
    ours = gap(results)
    return Finding(ours.is_above(MINIMAL), f"{ours.words()} points between training and test accuracy")


def judge_diagonal(results: Results) -> Finding:
    """Pairs beyond the listed ones have at most as many images as the last of these."""
    listed: dict[str, int] = {}
    for actual, _, images in results.confused:
        listed.setdefault(actual, images)
    unlisted = results.confused[-1][2] if results.confused else 0
    right = {name: round(share * IMAGES_PER_CLASS) for name, share in results.per_class.items()}
    failing = [name for name, images in listed.items() if images >= right[name]]
    unsure = [name for name, count in right.items() if name not in listed and count <= unlisted]
    weakest = min(right, key=lambda name: right[name] - listed.get(name, unlisted))
    measured = (
        f"closest: {weakest.replace('_', ' ')}, {right[weakest]} of {IMAGES_PER_CLASS} images right, "
        f"{'at most ' if weakest not in listed else ''}{listed.get(weakest, unlisted)} taken for one other class"
    )
    verdict = Verdict.FAILS if failing else Verdict.OPEN if unsure else Verdict.HOLDS
    return Finding(verdict, measured)


def is_around(ours: float, claimed: float) -> bool:
    """Within a tenth of the paper's figure."""
    return abs(ours - claimed) <= TENTH * claimed + 1e-12


def judge_curve(series: str, unit: str, **claimed: float) -> Callable[[Results], Finding]:
    """The first and the last epoch of a series against what the paper's text says of Figure 4."""
    scale = 100 if unit == "%" else 1

    def judge(results: Results) -> Finding:
        ends = {"first": results.history[0][series] * scale, "last": results.history[-1][series] * scale}
        holds = all(is_around(ends[end], figure) for end, figure in claimed.items())
        told = ", ".join(f"{ends[end]:.2f} {unit} in the {end} epoch" for end in claimed)
        return Finding(Verdict.HOLDS if holds else Verdict.FAILS, told)

    return judge


def judge_steady(results: Results) -> Finding:
    accuracies = [record["train_accuracy"] for record in results.history]
    falls = [number + 2 for number, (a, b) in enumerate(pairwise(accuracies)) if b < a]
    told = f"falls in epoch {', '.join(map(str, falls))}" if falls else f"rises in each of {len(accuracies)} epochs"
    return Finding(Verdict.FAILS if falls else Verdict.HOLDS, told)


def judge_divergence(results: Results) -> Finding:
    losses = [record["test_loss"] for record in results.history]
    lowest = min(losses)
    holds = losses[-1] <= (1 + TENTH) * lowest
    told = f"test loss {losses[-1]:.3f} nats at the end, {lowest:.3f} at its lowest (epoch {losses.index(lowest) + 1})"
    return Finding(Verdict.HOLDS if holds else Verdict.FAILS, told)


def extremes(per_class: Mapping[str, float], best: bool) -> list[str]:
    """The five best or worst classes, and those that are level with the fifth."""
    ranked = sorted(per_class, key=lambda name: (per_class[name], name), reverse=best)
    bound = per_class[ranked[EXTREMES - 1]]
    return [name for name in ranked if (per_class[name] >= bound if best else per_class[name] <= bound)]


def judge_classes(best: bool) -> Callable[[Results], Finding]:
    """How many of the paper's five are among ours."""
    claimed = BEST if best else WORST

    def judge(results: Results) -> Finding:
        ours = extremes(results.per_class, best)
        common = [name for name in claimed if name in ours]
        verdict = Verdict.HOLDS if len(common) >= 3 else Verdict.FAILS if len(common) <= 1 else Verdict.OPEN
        return Finding(verdict, f"{len(common)} of 5; ours: {', '.join(ours).replace('_', ' ')}")

    return judge


def judge_level(best: bool) -> Callable[[Results], Finding]:
    """The mean accuracy of our five best or worst classes against that of the paper's."""
    claimed = (BEST if best else WORST).values()

    def judge(results: Results) -> Finding:
        accuracies = sorted(results.per_class.values(), reverse=best)[:EXTREMES]
        ours = share_interval(sum(accuracies) / EXTREMES, EXTREMES * IMAGES_PER_CLASS)
        ends = f"from {100 * min(accuracies):.0f} to {100 * max(accuracies):.0f} %"
        return Finding(ours.includes(sum(claimed) / EXTREMES / 100), f"{ends}, in the mean {ours.words()} %")

    return judge


def judge_objects(results: Results) -> Finding:
    """Mann and Whitney's test (1947, doi:10.1214/aoms/1177730491) of 30 classes against 70."""
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


def judge_clusters(results: Results) -> Finding:
    neighbours, silhouette = (results.embedding[f"superclass_{name}"] for name in ("knn", "silhouette"))
    signs = [neighbours > 0.5, silhouette > NO_STRUCTURE]
    verdict = Verdict.HOLDS if all(signs) else Verdict.OPEN if any(signs) else Verdict.FAILS
    return Finding(verdict, f"neighbours agree for {100 * neighbours:.1f} % of images, silhouette {silhouette:.3f}")


def judge_mistakes(results: Results) -> Finding:
    figures = results.figures["modified"]
    if "test_errors_inside" not in figures:
        return Finding(Verdict.OPEN, "no mistakes were made")
    errors = round((1 - figures["test_accuracy"]) * TEST_IMAGES)
    ours = share_interval(figures["test_errors_inside"], errors)
    chance = 100 * figures["test_errors_inside_chance"]
    return Finding(ours.is_above(0.5), f"{ours.words()} % of {errors:,} mistakes; by chance it would be {chance:.1f} %")


FIGURE_INSIDE = "Holds if the paper's figure lies inside the 95 % interval of ours, else it does not."
AROUND = "Holds if ours is within a tenth of every figure that the paper gives, else it does not."

CLAIMS: dict[str, list[Claim]] = {
    "Table 2: accuracy": [
        Claim(
            "The standard network's training accuracy is 82.15 %",
            "Training Accuracy … 82.15",
            "Table 2",
            f"{FIGURE_INSIDE} Wilson's interval, {TRAIN_IMAGES:,} images; the last epoch's running accuracy.",
            judge_accuracy("baseline", "train_accuracy"),
        ),
        Claim(
            "The modified network's training accuracy is 89.31 %",
            "achieving 89.31% training accuracy and 70.19% test accuracy after 30 epochs",
            "Table 2, abstract, conclusion",
            f"{FIGURE_INSIDE} Wilson's interval, {TRAIN_IMAGES:,} images; the last epoch's running accuracy.",
            judge_accuracy("modified", "train_accuracy"),
        ),
        Claim(
            "Training accuracy improves by 7.16 points",
            "Training Accuracy … +7.16",
            "Table 2",
            f"{FIGURE_INSIDE} Newcombe's interval of the difference of two shares.",
            judge_improvement("train_accuracy"),
        ),
        Claim(
            "The standard network's test accuracy is 68.42 %",
            "Test Accuracy … 68.42",
            "Table 2",
            f"{FIGURE_INSIDE} Wilson's interval, {TEST_IMAGES:,} images.",
            judge_accuracy("baseline", "test_accuracy"),
        ),
        Claim(
            "The modified network's test accuracy is 70.19 %",
            "The model attained a test accuracy of 70.19%",
            "Table 2, abstract, conclusion",
            f"{FIGURE_INSIDE} Wilson's interval, {TEST_IMAGES:,} images.",
            judge_accuracy("modified", "test_accuracy"),
        ),
        Claim(
            "Test accuracy improves by 1.77 points",
            "Test Accuracy … +1.77",
            "Table 2",
            f"{FIGURE_INSIDE} Bootstrap over the same {TEST_IMAGES:,} images for both networks.",
            judge_improvement("test_accuracy"),
        ),
        Claim(
            "The modified network is the better one",
            "The findings underscore the significance of architectural adjustments",
            "abstract",
            "Holds if the 95 % interval of the improvement in test accuracy lies above 0, does not if it lies below; "
            "if it includes 0, it cannot be told.",
            judge_better,
        ),
    ],
    "Figure 4: the curves": [
        Claim(
            "Training accuracy starts at 20 % and is nearly 90 % in the end",
            "The training accuracy (blue line) starts at 20% and steadily increases, reaching nearly 90% by the final "
            "epoch",
            "Figure 4(a)",
            AROUND,
            judge_curve("train_accuracy", "%", first=20, last=90),
            "The paper's curves have 20 epochs, its text and Table 1 have 30; ours have 30.",
        ),
        Claim(
            "Training accuracy increases steadily",
            "steadily increases",
            "Figure 4(a)",
            "Holds if no epoch's is below that of the one before, else it does not.",
            judge_steady,
        ),
        Claim(
            "Validation accuracy plateaus around 84 %",
            "The validation accuracy plateaus around 84%, showing that the model achieves robust performance on the "
            "validation set",
            "Figure 4(a)",
            AROUND,
            judge_curve("test_accuracy", "%", last=84),
            "The paper describes no validation split, and gives 70.19 % for the test set; the curve is compared with "
            "that of the test set.",
        ),
        Claim(
            "Training loss falls from 1.2 to 0.4",
            "The training loss (blue line) begins at 1.2 and consistently decreases, ending at 0.4",
            "Figure 4(b)",
            AROUND,
            judge_curve("train_loss", "nats", first=1.2, last=0.4),
        ),
        Claim(
            "Validation loss falls from 1.3 to 0.59",
            "The validation loss (red line) starts higher (1.3) … The validation loss stabilizes around 0.59",
            "Figure 4(b)",
            AROUND,
            judge_curve("test_loss", "nats", first=1.3, last=0.59),
            "Compared with the loss on the test set, as above.",
        ),
        Claim(
            "The two losses do not diverge",
            "The parallel decline of both lines without significant divergence suggests the model is not overfitting",
            "Figure 4(b)",
            "Holds if the test loss ends within a tenth above its lowest value, else it does not.",
            judge_divergence,
        ),
        Claim(
            "Overfitting is minimal",
            "The close alignment between the two lines suggests minimal overfitting",
            "Figure 4(a)",
            f"Holds if the 95 % interval of training minus test accuracy lies below {100 * MINIMAL:.0f} points, does "
            "not if it lies above; else it cannot be told.",
            judge_minimal_overfitting,
            "The paper's own Table 2 has 19.12 points between them.",
        ),
        Claim(
            "Overfitting is moderate",
            "the disparity between training and test accuracy signifies Moderate overfitting",
            "conclusion",
            "The opposite of the claim before.",
            judge_overfitting,
        ),
    ],
    "Table 3: classes": [
        Claim(
            "Wardrobe, road, sunflower, skyscraper and motorcycle are the best classes",
            "Best-performing classes (91-94% accuracy): Typically objects with distinctive shapes and consistent "
            "appearances (e.g., 'Wardrobe', 'Road')",
            "Table 3",
            "Holds if at least three of the paper's five are among our five, does not if at most one is, as in 98 % of "
            "draws by lot; else it cannot be told.",
            judge_classes(best=True),
        ),
        Claim(
            "Boy, otter, lizard, woman and girl are the worst classes",
            "Lower-accuracy classes (41-48% accuracy): Often natural entity or classes with higher intra-class "
            "variation (e.g., 'Boy', 'Otter’, ’Lizard’)",
            "Table 3",
            "As for the best.",
            judge_classes(best=False),
        ),
        Claim(
            "The best classes reach 91 to 94 %",
            "Best-performing classes (91-94% accuracy)",
            "Table 3",
            "Holds if the mean of the paper's five, 92.2 %, lies inside the 95 % interval of the mean of our five best "
            "(Wilson's, 500 images), else it does not.",
            judge_level(best=True),
        ),
        Claim(
            "The worst classes stay at 41 to 48 %",
            "Lower-accuracy classes (41-48% accuracy)",
            "Table 3",
            "As for the best; the paper's mean is 45.0 %.",
            judge_level(best=False),
        ),
        Claim(
            "Objects are recognised better than natural things",
            "Typically objects with distinctive shapes … Often natural entity",
            "Table 3",
            "The 30 classes of CIFAR-100's superclasses of man-made things against the other 70. Holds if they are "
            "ahead by Mann and Whitney's test at p < 0.05, does not if they are behind; else it cannot be told.",
            judge_objects,
        ),
    ],
    "Figure 5: confusions and features": [
        Claim(
            "Features form distinct clusters for macro-categories",
            "the extracted features create distinct clusters for macro-categories (e.g., vehicles versus animals)",
            "Figure 5(b)",
            "Macro-categories are CIFAR-100's 20 superclasses; measured in the features themselves, not in their "
            "picture. Holds if more than half of the images have their own superclass in the majority among their "
            f"nearest neighbours and the silhouette is above {NO_STRUCTURE}, up to which Kaufman and Rousseeuw see no "
            "substantial structure; does not if neither is so; else it cannot be told.",
            judge_clusters,
        ),
        Claim(
            "Mistakes are mostly between visually analogous classes",
            "misclassifications predominantly arise between visually analogous classes (e.g., cats vs dogs or ships "
            "versus airplanes), resulting in organized off-diagonal blocks",
            "Figure 5(a)",
            "Visually analogous are classes of one superclass. Holds if the 95 % interval of the share of mistakes "
            "that stay inside the superclass lies above one half, does not if it lies below; else it cannot be told.",
            judge_mistakes,
            "CIFAR-100 has neither cats nor dogs, neither ships nor airplanes; these are classes of CIFAR-10.",
        ),
        Claim(
            "The main diagonal is prominent",
            "The prominent main diagonal (high accuracy) and systematic error patterns indicate that the model did not "
            "simply memorize the data",
            "Figure 5(a)",
            "Holds if every class is named rightly more often than it is taken for any one other, does not if a class "
            "is not; where the listed pairs do not reach far enough, it cannot be told.",
            judge_diagonal,
        ),
    ],
}

NOT_TESTED = {
    "“seamless transitions between visually analogous subclasses (e.g., various bird species)”": "the paper gives no "
    "measure of it, and CIFAR-100 has no class of birds",
    "“a hierarchical feature representation congruent with human perception”": "nobody's perception was measured",
    "“The use of cosine annealing for learning rate scheduling likely contributed to stable convergence”, and the same "
    "of AdamW and of the augmentation": "the paper has no training without; here it would be an experiment, "
    "`dvc exp run -S scheduler.name=constant`",
    "“removed entirely to prevent premature down sampling”": "which of the two changes brings how much is "
    "`studies/ablation`",
    "“Compared to recent lightweight models on CIFAR-100, this result is competitive”": "the paper names none",
    "“fulfilling the objective benchmark”": "the paper states no target",
    "“shallower stem layers enhanced accuracy by 15–20%” on CIFAR-10": "told of others, without a source",
    "“has not been previously benchmarked under the same conditions”": "a claim about the literature",
    "“The methods and code provided can act as a reference”": "the paper says not where its code is",
}
"""What the paper also claims, and why no verdict is given."""
