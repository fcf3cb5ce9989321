"""The beginning of README.md: the full study's table, curves and what they say of the paper, once it has been run."""

from collections.abc import Mapping
from pathlib import Path

from tinyres.cli.paper.claims_page import table_2
from tinyres.cli.paper.full_study import CLASSES, EPOCHS, FullStudy
from tinyres.cli.paper.markdown import bullets, paragraph
from tinyres.cli.paper.trainings import TrainingFacts
from tinyres.cli.paper.verdicts import (
    PLATEAU,
    TEST_IMAGES,
    StudyResults,
    accuracy_in_test,
    improvement_in_test,
)
from tinyres.common.errors import UserError
from tinyres.evaluation.uncertainty import Estimate

README = Path("README.md")
START, END = "<!-- tinyres paper -->\n", "<!-- end -->"
NOT_YET = (
    f"The paper's own table, for both networks on all {CLASSES} classes after {EPOCHS} epochs, has not been produced "
    "here yet, and no table in this repository shows a smaller run in its place."
)

INTERVALS = (
    f"Intervals are 95 % intervals over the {TEST_IMAGES:,} test images, or over the training images for training "
    "accuracy; that of the difference in test accuracy is paired. With one training of each network they say nothing "
    "about other seeds."
)
MORE = (
    "[docs/paper.md](docs/paper.md) judges every claim of the paper, [docs/results.md](docs/results.md) shows what "
    "others report, and [docs/reproduce.md](docs/reproduce.md) how to make these results again."
)
PICTURES = """![Training and test accuracy of both networks by epoch](plots/evaluation/accuracy.png)
![Their loss by epoch](plots/evaluation/loss.png)"""


def readme_with_block(text: str, study: FullStudy) -> str:
    """Return the README with its block written anew.

    Raises:
        UserError: It has no such block.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise UserError(
            f"{README} has no lines {START.strip()} and {END} between which the results stand; restore them."
        )
    return f"{before}{START}{block(study)}\n{END}{after}"


def block(study: FullStudy) -> str:
    """Return what stands between the two lines."""
    if study.results is None:
        return paragraph(NOT_YET)
    parts = [
        paragraph(made_how(study)),
        table_2(study).strip(),
        paragraph(INTERVALS),
        bullets(*sentences(study, study.results)),
        PICTURES,
        paragraph(MORE),
    ]
    return "\n\n".join(parts)


def made_how(study: FullStudy) -> str:
    """Return what the table is about: which trainings, how many, on which machine, in what time."""
    what = (
        f"**The paper's Table 2 and ours**: both networks, all {CLASSES} classes, {EPOCHS} epochs of the paper's recipe"
    )
    if not study.trainings:
        return f"{what}, one training of each (n = 1)."
    trainings = list(study.trainings.values())
    seeds = " and ".join(sorted({str(facts.seed) for facts in trainings}))
    machines = " and ".join(dict.fromkeys(facts.machine for facts in trainings))
    return f"{what}, one training of each (n = 1, seed {seeds}), in {times(study.trainings)} on {machines}."


def times(trainings: Mapping[str, TrainingFacts]) -> str:
    """Return `0.8 h (baseline) and 8.3 h (modified)`."""
    return " and ".join(f"{facts.hours:.1f} h ({model})" for model, facts in trainings.items())


def sentences(study: FullStudy, results: StudyResults) -> list[str]:
    """Return one sentence about each of the figures for which the paper is known."""
    standard, modified = (study.paper[model]["test_accuracy"] for model in ("baseline", "modified"))
    ours = {model: accuracy_in_test(results, model) for model in ("baseline", "modified")}
    gain = improvement_in_test(results)
    return [
        f"**{standard:.2f} %**, the paper's standard network, {place(standard, ours['baseline'])}.",
        f"**{modified:.2f} %**, its modified network, {place(modified, ours['modified'])}.",
        f"**{modified - standard:.2f} points**, the difference of the two, {place(modified - standard, gain)}.",
        f"**“{PLATEAU} % validation”**, at which the paper's curve levels off, is {plateau(modified, results)}",
    ]


def place(claimed: float, ours: Estimate) -> str:
    """Return where a figure of the paper (per cent or points) lies: inside our interval, or how far off."""
    low, high = 100 * ours.low, 100 * ours.high
    if low <= claimed <= high:
        return f"agrees with ours: it lies inside our interval, {low:.2f} to {high:.2f}"
    off = f"{claimed - high:.2f} points above" if claimed > high else f"{low - claimed:.2f} points below"
    return f"does not agree with ours: it lies {off} our interval, {low:.2f} to {high:.2f}"


def plateau(modified: float, results: StudyResults) -> str:
    """Return what the paper's own table and our last epoch are, beside its text on the validation accuracy."""
    last = 100 * results.history[-1]["test_accuracy"]
    off = f"{abs(PLATEAU - last):.2f} points {'above' if last > PLATEAU else 'below'} it"
    return (
        f"{PLATEAU - modified:.2f} points above the test accuracy in its own Table 2, and the paper describes no "
        f"validation images; our modified network ends at {last:.2f} % on the test images, {off}."
    )
