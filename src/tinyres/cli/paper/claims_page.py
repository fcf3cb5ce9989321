"""docs/paper.md: the paper's tables and figures beside ours, and its claims one by one."""

from collections.abc import Mapping

from tinyres.cli.paper.claims import CLAIMS, NOT_TESTED, Claim
from tinyres.cli.paper.full_study import CLASSES, EPOCHS, MODELS, NOT_RUN, FullStudy
from tinyres.cli.paper.verdicts import (
    BEST,
    TEST_IMAGES,
    WORST,
    Finding,
    StudyResults,
    Verdict,
    accuracy_in_test,
    accuracy_in_training,
    extremes,
    improvement_in_test,
    improvement_in_training,
    share_interval,
    shown,
)
from tinyres.evaluation.tables import Table

HEAD = """# The paper's claims, one by one

`tinyres paper` writes this page from `params.yaml`, `metrics/` and `plots/history/`. The rules behind the verdicts are
code, in `src/tinyres/cli/paper/verdicts.py`. All intervals are 95 % intervals over images. Only one seed was trained,
so they say nothing about other seeds; the paper does not say how many it trained.
"""
CURVES = [  # quantity in Figure 4, what the paper says of its first and last epoch, column of our curves, factor
    ("training accuracy (%)", "20 → nearly 90", "train_accuracy", 100),
    ("validation accuracy (%); ours: test", "“similar upward trend” → around 84", "test_accuracy", 100),
    ("training loss (nats)", "1.2 → 0.4", "train_loss", 1),
    ("validation loss (nats); ours: test", "1.3 → around 0.59", "test_loss", 1),
]


def claims_page(study: FullStudy) -> str:
    """Return docs/paper.md."""
    results = study.results
    findings = {claim.name: judge(claim, results) for claims in CLAIMS.values() for claim in claims}
    parts = [
        HEAD,
        state(study),
        summary(findings),
        "## Its tables and figures",
        "### Table 2",
        table_2(study),
        *table_3(results),
        *figure_4(results),
        *figure_5(results),
        *(section(title, claims, findings) for title, claims in CLAIMS.items()),
        "## Not tested",
        "\n".join(f"- {claim}: {reason}." for claim, reason in NOT_TESTED.items()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def judge(claim: Claim, results: StudyResults | None) -> Finding:
    """Judge a claim by the results; it is undecided if there are none."""
    return Finding(Verdict.OPEN, NOT_RUN) if results is None else claim.judge(results)


def state(study: FullStudy) -> str:
    if study.results is not None:
        return f"The full study has been run: {CLASSES} classes, {EPOCHS} epochs, {TEST_IMAGES:,} test images."
    return (
        f"**{NOT_RUN[0].upper()}{NOT_RUN[1:]}** ({study.missing}). All verdicts are therefore undecided, and only the "
        "paper's figures are shown. `dvc repro`, followed by `tinyres paper`, fills in the rest."
    )


def summary(findings: Mapping[str, Finding]) -> str:
    """Return a table of all claims and verdicts."""
    return Table(["claim", "verdict"], [[name, str(each.verdict)] for name, each in findings.items()]).render("md")


def section(title: str, claims: list[Claim], findings: Mapping[str, Finding]) -> str:
    """Return the claims of a section: the paper's words, the verdict with the numbers behind it, and the rule."""
    parts = [f"## {title}"]
    for claim in claims:
        finding = findings[claim.name]
        lines = [f"- **{finding.verdict}**: {finding.measured}.", f"- Rule: {claim.rule}"]
        if claim.note:
            lines.append(f"- {claim.note}")
        parts += [f"### {claim.name}", f"> {claim.quote} ({claim.place})", "\n".join(lines)]
    return "\n\n".join(parts)


def table_2(study: FullStudy) -> str:
    """Return the paper's Table 2 beside our accuracies with their intervals, in per cent."""
    paper, results = study.paper, study.results
    header = ["metric (%)", "paper: standard", "ours", "paper: modified", "ours", "paper: improvement", "ours"]
    measures = {
        "train_accuracy": ("training accuracy", accuracy_in_training, improvement_in_training),
        "test_accuracy": ("test accuracy", accuracy_in_test, improvement_in_test),
    }
    rows = []
    for metric, (label, measure, improve) in measures.items():
        claimed = [paper[model][metric] for model in MODELS]
        ours = ["", "", ""]
        if results is not None:
            ours = [*(shown(measure(results, model)) for model in MODELS), shown(improve(results), "+")]
        cells = [f"{claimed[0]:.2f}", ours[0], f"{claimed[1]:.2f}", ours[1], f"{claimed[1] - claimed[0]:+.2f}", ours[2]]
        rows.append([label, *cells])
    return Table(header, rows).render("md")


def table_3(results: StudyResults | None) -> list[str]:
    """Return the paper's best and worst classes with our accuracy on them, then our own best and worst."""
    parts = [
        "### Table 3",
        "Accuracy of the modified network by class, in per cent; ours are over 100 images each.",
    ]
    header = ["high-accuracy classes", "paper", "ours", "lower-accuracy classes", "paper", "ours"]
    rows = [
        [cell for name, figure in pair for cell in (name, str(figure), of_class(results, name))]
        for pair in zip(BEST.items(), WORST.items(), strict=True)
    ]
    parts.append(Table(header, rows).render("md"))
    if results is not None:
        for heading, best in (("Our best", True), ("Our worst", False)):
            names = extremes(results.per_class, best)
            listed = ", ".join(f"{name.replace('_', ' ')} ({100 * results.per_class[name]:.0f})" for name in names)
            parts.append(f"{heading}: {listed}.")
    return parts


def of_class(results: StudyResults | None, name: str) -> str:
    if results is None:
        return ""
    return shown(share_interval(results.per_class[name], TEST_IMAGES // CLASSES))


def figure_4(results: StudyResults | None) -> list[str]:
    """Return what the paper's text says of its curves beside our first and last epoch, and our curves."""
    rows = []
    for label, claimed, series, factor in CURVES:
        ours = ""
        if results is not None:
            first, last = (results.history[epoch][series] * factor for epoch in (0, -1))
            ours = f"{first:.2f} → {last:.2f}"
        rows.append([label, claimed, ours])
    table = Table(["modified network, first → last epoch", "paper", "ours"], rows).render("md")
    pictures = (
        ["![Accuracy](../plots/evaluation/accuracy.png)", "![Loss](../plots/evaluation/loss.png)"]
        if results is not None
        else []
    )
    return ["### Figure 4", table, *pictures]


def figure_5(results: StudyResults | None) -> list[str]:
    """Return our confusion matrix and t-SNE, beside the paper's description of its own."""
    description = (
        "The paper describes (a) a confusion matrix with a “prominent main diagonal” and “organized off-diagonal "
        "blocks”, and (b) a t-SNE of the features with “distinct clusters for macro-categories”; it gives no numbers."
    )
    if results is None:
        return ["### Figure 5", description]
    pictures = ["![Confusion matrix](../plots/evaluation/confusion_modified.png)", "![t-SNE](../plots/tsne.png)"]
    return ["### Figure 5", description, *pictures]
