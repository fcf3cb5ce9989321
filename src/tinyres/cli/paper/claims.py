"""The paper's claims in its own words, each with the rule that decides on it, and what it claims beyond them."""

from collections.abc import Callable
from dataclasses import dataclass

from tinyres.cli.paper.verdicts import (
    MINIMAL,
    NO_STRUCTURE,
    PLATEAU,
    TEST_IMAGES,
    TRAIN_IMAGES,
    Finding,
    StudyResults,
    judge_accuracy,
    judge_better,
    judge_classes,
    judge_clusters,
    judge_curve,
    judge_diagonal,
    judge_divergence,
    judge_improvement,
    judge_level,
    judge_minimal_overfitting,
    judge_mistakes,
    judge_objects,
    judge_overfitting,
    judge_steady,
)


@dataclass(frozen=True)
class Claim:
    """One claim of the paper and the rule that decides on it."""

    name: str
    """The claim in our words."""
    quote: str
    """The claim in the paper's words."""
    place: str
    """Where the paper makes it."""
    rule: str
    """The rule, in words."""
    judge: Callable[[StudyResults], Finding]
    """The rule, as a function of the results."""
    note: str = ""
    """What the reader should know besides."""


FIGURE_INSIDE = "Holds if the paper's figure lies inside our 95 % interval."
AROUND = "Holds if ours is within a tenth of every figure that the paper gives."

CLAIMS: dict[str, list[Claim]] = {
    "Table 2: accuracy": [
        Claim(
            "The standard network's training accuracy is 82.15 %",
            "Training Accuracy … 82.15",
            "Table 2",
            f"{FIGURE_INSIDE} Wilson's interval over {TRAIN_IMAGES:,} images; the last epoch's running accuracy.",
            judge_accuracy("baseline", "train_accuracy"),
        ),
        Claim(
            "The modified network's training accuracy is 89.31 %",
            "achieving 89.31% training accuracy and 70.19% test accuracy after 30 epochs",
            "Table 2, abstract, conclusion",
            f"{FIGURE_INSIDE} Wilson's interval over {TRAIN_IMAGES:,} images; the last epoch's running accuracy.",
            judge_accuracy("modified", "train_accuracy"),
        ),
        Claim(
            "Training accuracy improves by 7.16 points",
            "Training Accuracy … +7.16",
            "Table 2",
            f"{FIGURE_INSIDE} Newcombe's interval for the difference of two proportions.",
            judge_improvement("train_accuracy"),
        ),
        Claim(
            "The standard network's test accuracy is 68.42 %",
            "Test Accuracy … 68.42",
            "Table 2",
            f"{FIGURE_INSIDE} Wilson's interval over {TEST_IMAGES:,} images.",
            judge_accuracy("baseline", "test_accuracy"),
        ),
        Claim(
            "The modified network's test accuracy is 70.19 %",
            "The model attained a test accuracy of 70.19%",
            "Table 2, abstract, conclusion",
            f"{FIGURE_INSIDE} Wilson's interval over {TEST_IMAGES:,} images.",
            judge_accuracy("modified", "test_accuracy"),
        ),
        Claim(
            "Test accuracy improves by 1.77 points",
            "Test Accuracy … +1.77",
            "Table 2",
            f"{FIGURE_INSIDE} Paired bootstrap over the {TEST_IMAGES:,} test images.",
            judge_improvement("test_accuracy"),
        ),
        Claim(
            "The modified network is better",
            "The findings underscore the significance of architectural adjustments",
            "abstract",
            "Holds if the 95 % interval of the improvement in test accuracy lies above 0, fails if it lies below 0, "
            "and is undecided if it includes 0.",
            judge_better,
        ),
    ],
    "Figure 4: the curves": [
        Claim(
            "Training accuracy rises from 20 % to nearly 90 %",
            "The training accuracy (blue line) starts at 20% and steadily increases, reaching nearly 90% by the final "
            "epoch",
            "Figure 4(a)",
            AROUND,
            judge_curve("train_accuracy", "%", first=20, last=90),
            "The paper's curves cover 20 epochs, its text and Table 1 say 30; ours cover 30.",
        ),
        Claim(
            "Training accuracy increases steadily",
            "steadily increases",
            "Figure 4(a)",
            "Holds if it never falls from one epoch to the next.",
            judge_steady,
        ),
        Claim(
            "Validation accuracy plateaus around 84 %",
            "The validation accuracy plateaus around 84%, showing that the model achieves robust performance on the "
            "validation set",
            "Figure 4(a)",
            AROUND,
            judge_curve("test_accuracy", "%", last=PLATEAU),
            "The paper describes no validation split and reports 70.19 % on the test set; its curve is compared with "
            "ours on the test set.",
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
            "Compared with our loss on the test set, as above.",
        ),
        Claim(
            "The two losses do not diverge",
            "The parallel decline of both lines without significant divergence suggests the model is not overfitting",
            "Figure 4(b)",
            "Holds if the final test loss is at most a tenth above the lowest.",
            judge_divergence,
        ),
        Claim(
            "Overfitting is minimal",
            "The close alignment between the two lines suggests minimal overfitting",
            "Figure 4(a)",
            f"Holds if the 95 % interval of training minus test accuracy lies below {100 * MINIMAL:.0f} points, fails "
            "if it lies above, and is undecided otherwise.",
            judge_minimal_overfitting,
            "In the paper's own Table 2 the gap is 19.12 points.",
        ),
        Claim(
            "Overfitting is moderate",
            "the disparity between training and test accuracy signifies Moderate overfitting",
            "conclusion",
            "The opposite of the previous rule.",
            judge_overfitting,
        ),
    ],
    "Table 3: classes": [
        Claim(
            "Wardrobe, road, sunflower, skyscraper and motorcycle are the best classes",
            "Best-performing classes (91-94% accuracy): Typically objects with distinctive shapes and consistent "
            "appearances (e.g., 'Wardrobe', 'Road')",
            "Table 3",
            "Holds if at least three of the paper's five are among our five, fails if at most one is (as in 98 % of "
            "random draws), and is undecided if two are.",
            judge_classes(best=True),
        ),
        Claim(
            "Boy, otter, lizard, woman and girl are the worst classes",
            "Lower-accuracy classes (41-48% accuracy): Often natural entity or classes with higher intra-class "
            "variation (e.g., 'Boy', 'Otter’, ’Lizard’)",
            "Table 3",
            "The same rule as for the best classes.",
            judge_classes(best=False),
        ),
        Claim(
            "The best classes reach 91 to 94 %",
            "Best-performing classes (91-94% accuracy)",
            "Table 3",
            "Holds if the mean of the paper's five, 92.2 %, lies inside the 95 % interval of the mean of our five best "
            "(Wilson's, over 500 images).",
            judge_level(best=True),
        ),
        Claim(
            "The worst classes stay at 41 to 48 %",
            "Lower-accuracy classes (41-48% accuracy)",
            "Table 3",
            "The same rule as for the best classes; the paper's mean is 45.0 %.",
            judge_level(best=False),
        ),
        Claim(
            "Objects are recognised better than natural things",
            "Typically objects with distinctive shapes … Often natural entity",
            "Table 3",
            "Compares the 30 classes in CIFAR-100's superclasses of man-made things with the other 70. Holds if they "
            "are more accurate by Mann and Whitney's test at p < 0.05, fails if they are less accurate, and is "
            "undecided otherwise.",
            judge_objects,
        ),
    ],
    "Figure 5: confusions and features": [
        Claim(
            "Features form distinct clusters for macro-categories",
            "the extracted features create distinct clusters for macro-categories (e.g., vehicles versus animals)",
            "Figure 5(b)",
            "Macro-categories are CIFAR-100's 20 superclasses, and the features themselves are measured, not their "
            "projection. Holds if a vote of the nearest neighbours is right about the superclass of more than half of "
            f"the images and the silhouette is above {NO_STRUCTURE}, up to which Kaufman and Rousseeuw see no "
            "substantial structure. Fails if neither is the case, and is undecided otherwise.",
            judge_clusters,
        ),
        Claim(
            "Mistakes are mostly between visually analogous classes",
            "misclassifications predominantly arise between visually analogous classes (e.g., cats vs dogs or ships "
            "versus airplanes), resulting in organized off-diagonal blocks",
            "Figure 5(a)",
            "Classes of one superclass count as visually analogous. Holds if the 95 % interval of the share of "
            "mistakes that stay inside the superclass lies above one half, fails if it lies below, and is undecided "
            "otherwise.",
            judge_mistakes,
            "CIFAR-100 has no cats, dogs, ships or airplanes; these are classes of CIFAR-10.",
        ),
        Claim(
            "The main diagonal is prominent",
            "The prominent main diagonal (high accuracy) and systematic error patterns indicate that the model did not "
            "simply memorize the data",
            "Figure 5(a)",
            "Holds if every class is predicted correctly more often than as any one other class, and fails if some "
            "class is not. Undecided if the list of the most confused pairs is too short to tell.",
            judge_diagonal,
        ),
    ],
}

NOT_TESTED = {
    "“seamless transitions between visually analogous subclasses (e.g., various bird species)”": "the paper gives no "
    "measure for this, and CIFAR-100 has no class of birds",
    "“a hierarchical feature representation congruent with human perception”": "the paper measured nobody's perception",
    "“The use of cosine annealing for learning rate scheduling likely contributed to stable convergence”, and the same "
    "of AdamW and of the augmentation": "the paper trains no network without them; here that is an experiment, such as "
    "`dvc exp run -S scheduler.name=constant`",
    "“removed entirely to prevent premature down sampling”": "`studies/ablation` measures how "
    "much each of the two changes contributes",
    "“Compared to recent lightweight models on CIFAR-100, this result is competitive”": "the paper names none of them",
    "“fulfilling the objective benchmark”": "the paper states no target",
    "“shallower stem layers enhanced accuracy by 15–20%” on CIFAR-10": "said of other work, without a source",
    "“has not been previously benchmarked under the same conditions”": "a claim about the literature",
    "“The methods and code provided can act as a reference”": "the paper does not say where its code is",
}
"""Further claims of the paper, and why no verdict is given on them."""
