"""docs/results.md: what others report for the same networks, beside the paper's figures and ours."""

from tinyres.cli.paper.full_study import EPOCHS, FullStudy
from tinyres.cli.paper.literature import REPORTS, Report, Stem, of_resnet18_without_mixing, pairs
from tinyres.cli.paper.markdown import bullets, paragraph
from tinyres.cli.paper.verdicts import StudyResults, accuracy_in_test, improvement_in_test, shown
from tinyres.evaluation.tables import Table

HEAD = """# What others report

This page compares the paper's test accuracies and ours with those that other people report for ResNets trained from
scratch on CIFAR-100. `tinyres paper` writes it; others' figures are in `src/tinyres/cli/paper/literature.py`, the
paper's in `params.yaml`, and ours in `metrics/`. All figures are per cent of the 10,000 test images.

We found no figures for 30 epochs, which is how long the paper and we train; most others train for 200. Some report the
epoch that did best on the test images, which flatters a figure. Where a source does not give a detail, the table says
so.
"""
RECIPE = "AdamW, batch 64, cosine"  # the paper's Table 1
NETWORKS = {Stem.SMALL: "modified", Stem.LARGE: "baseline"}
TITLES = {
    Stem.SMALL: "The paper's modified network: a 3×3 stem and no max-pooling",
    Stem.LARGE: "The paper's standard network: a 7×7 stem with stride 2, and max-pooling",
}
CAVEAT = """
Figures from issues are what users say in passing, and seem to be of one run each. pytorch-cifar100's networks have the
3×3 stem without max-pooling; torchvision's and timm's have the 7×7 stem with it. In issue 2481 the reporter calls the
better of the two networks the “original model”; we saw that report, not its code.
"""


def results_page(study: FullStudy) -> str:
    """Return docs/results.md."""
    parts = [HEAD, ours_in_words(study)]
    for stem, title in TITLES.items():
        parts += [f"## {title}", stem_table(study, stem)]
    parts += ["## How far apart the two stems are", gap_table(study), CAVEAT, "## What follows", conclusions(study)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def ours_in_words(study: FullStudy) -> str:
    if study.results is None:
        return paragraph(
            f"There are no figures of ours yet: {study.why_not()}. `dvc repro`, followed by `tinyres paper`, adds them."
        )
    return "Our figures are those of one training each, with 95 % intervals over the test images."


def stem_table(study: FullStudy, stem: Stem) -> str:
    """Return all figures of one stem, those of short trainings first; where epochs are not said, last."""
    model = NETWORKS[stem]
    rows = [
        ["ResNet-18", str(EPOCHS), f"{study.paper[model]['test_accuracy']:.2f}", RECIPE, "not said", "**the paper**"]
    ]
    if study.results is not None:
        ours = shown(accuracy_in_test(study.results, model))
        rows.append(["ResNet-18", str(EPOCHS), ours, "the paper's", "last epoch", "**ours**"])
    reports = [report for report in REPORTS if report.stem is stem]
    for report in sorted(reports, key=lambda each: (each.epochs is None, each.epochs, each.accuracy)):
        epochs = "not said" if report.epochs is None else str(report.epochs)
        rows.append([report.network, epochs, report.shown(), report.recipe, report.figure, report.source.link()])
    return Table(["network", "epochs", "test accuracy (%)", "recipe", "which figure", "source"], rows).render("md")


def gap_table(study: FullStudy) -> str:
    """Return the difference between the stems wherever one source has both."""
    standard, modified = (study.paper[model]["test_accuracy"] for model in ("baseline", "modified"))
    rows = [["ResNet-18", f"{standard:.2f}", f"{modified:.2f}", f"{modified - standard:+.2f}", "**the paper**"]]
    if study.results is not None:
        ours = [shown(accuracy_in_test(study.results, model)) for model in ("baseline", "modified")]
        rows.append(["ResNet-18", *ours, shown(improvement_in_test(study.results), "+"), "**ours**"])
    for large, small in pairs():
        difference = f"+{gap(large, small):.4g}" + " or more" * small.at_least
        rows.append([large.network, large.shown(), small.shown(), difference, large.source.link()])
    return Table(["network", "7×7 stem", "3×3 stem", "difference (points)", "source"], rows).render("md")


def gap(large: Report, small: Report) -> float:
    """Return by how many points the small stem is ahead."""
    return round(small.accuracy - large.accuracy, 2)


def conclusions(study: FullStudy) -> str:
    """Return what the comparison says of the paper's figures and, if there are any, of ours."""
    gaps = [gap(*pair) for pair in pairs()]
    standard, modified = (study.paper[model]["test_accuracy"] for model in ("baseline", "modified"))
    longer = [report.accuracy for report in of_resnet18_without_mixing()]
    large = [report.accuracy for report in REPORTS if report.stem is Stem.LARGE]
    points = [
        f"**The paper's difference is small.** Wherever somebody reports both stems, the 3×3 stem is {min(gaps):.4g} "
        f"to {max(gaps):.4g} points ahead. In the paper it is {modified - standard:.2f} points ahead.",
        f"**Its modified network is plausible.** Its {modified:.2f} % after {EPOCHS} epochs are "
        f"{min(longer) - modified:.1f} to {max(longer) - modified:.1f} points below what ResNet-18 with this stem "
        "reaches in longer trainings that mix no images.",
        f"**Its standard network is unexpectedly good.** Its {standard:.2f} % are {standard - max(large):.1f} to "
        f"{standard - min(large):.1f} points above every figure for the 7×7 stem, although those are of networks as "
        "deep or deeper.",
        "So the small difference seems to come from the standard network, not from the modified one. We cannot tell "
        "why, since the paper does not say where its code is. A standard network that already had one of the two "
        "changes, or that was given enlarged images, would look like this. `studies/ablation` trains a network with "
        "each change alone.",
    ]
    if study.results is not None:
        points.append(ours_against_theirs(study.results, modified - standard, min(gaps)))
    return bullets(*points)


def ours_against_theirs(results: StudyResults, claimed: float, smallest: float) -> str:
    """Return how our difference stands to the paper's and to the smallest that others report, all in points."""
    ours = improvement_in_test(results)
    points = 100 * ours.value
    return (
        f"**Ours**, with the paper's recipe, is {shown(ours, '+')} points: {more_or_less(points - claimed)} than the "
        f"paper's, and {more_or_less(points - smallest)} than the smallest that others report."
    )


def more_or_less(points: float) -> str:
    """Return `3.20 more` or `3.20 less`."""
    points = round(points, 2)
    return f"{abs(points):.2f} {'more' if points >= 0 else 'less'}"
