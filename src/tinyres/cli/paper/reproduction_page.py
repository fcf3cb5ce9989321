"""docs/reproduce.md: how the full study was made, and how to make it again."""

from tinyres.cli.paper.full_study import FullStudy
from tinyres.cli.paper.markdown import paragraph
from tinyres.cli.paper.trainings import FACTS, TrainingFacts
from tinyres.evaluation.tables import Table

HEAD = f"""# Reproducing the full study

`tinyres paper` writes this page. What it says of a training comes from `dvc.lock` and from the training's MLflow run; a
copy is kept in `{FACTS}`, since the MLflow store is not in Git.
"""
COMMANDS = """## The commands

```console
$ make setup                              # the packages of requirements.lock
$ source .venv/bin/activate
$ dvc repro                               # fetches CIFAR-100, trains both networks, evaluates, embeds
$ git diff --stat dvc.lock metrics plots  # nothing, if the bytes are the same
$ sha256sum models/*/model.safetensors    # as in the table of trainings
$ tinyres paper                           # docs/paper.md, docs/results.md, this page, the README's table
```

`dvc repro` runs nothing whose results are already there; `dvc repro -f` runs everything again. A training that is
interrupted goes on when the same command is given again, and ends with the same bytes. If the official archive cannot
be reached, `CIFAR100_ARCHIVE=/path/or/url dvc repro` takes a copy, which is checked against the same MD5."""
SAME = """## When the bytes are the same

The same code, parameters and data give the same weights on the same kind of CPU with the same versions and number of
threads. Another CPU, a GPU or another version of torch rounds differently, so that the weights differ from the first
steps on; the accuracies are then those of another training, as with another seed."""
LATER = paragraph(
    "The code of a later commit gives the same as long as `dvc status` names no code and no parameter of a training as "
    "changed; otherwise check out the commit in the table first."
)
UNKNOWN = (
    "How the networks were trained is not known here: MLflow holds no record of these trainings, as happens when DVC "
    "restores their models from its cache."
)


def reproduction_page(study: FullStudy) -> str:
    """Return docs/reproduce.md."""
    parts = [HEAD, state(study), COMMANDS]
    if study.trainings:
        trainings = list(study.trainings.values())
        table = Table(["", *study.trainings], [[label, *cells] for label, cells in rows(trainings)])
        parts += ["## The trainings", table.render("md"), LATER]
    return "\n\n".join(part.strip() for part in [*parts, SAME]) + "\n"


def state(study: FullStudy) -> str:
    if study.results is None:
        return paragraph(f"**There is nothing to compare with yet**: {study.why_not()}. These are the commands for it.")
    if not study.trainings:
        return paragraph(UNKNOWN)
    return "The full study has been run, with one training of each network."


def rows(trainings: list[TrainingFacts]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table of trainings: a label, and a cell for each training."""
    return [
        ("commit", [facts.commit + ("" if facts.clean else ", with changes") for facts in trainings]),
        ("command", [f"`{facts.command}`" for facts in trainings]),
        ("seed", [str(facts.seed) for facts in trainings]),
        ("epochs", [str(facts.epochs) for facts in trainings]),
        ("processor", [facts.processor or "not recorded" for facts in trainings]),
        ("environment", [facts.environment for facts in trainings]),
        ("all epochs at the median epoch's time", [f"{facts.hours:.2f} h" for facts in trainings]),
        ("all epochs, stops included", [f"{facts.seconds / 3600:.2f} h" for facts in trainings]),
        ("images/s, median", [f"{facts.images_per_second[1]:.0f}" for facts in trainings]),
        ("images/s, slowest to fastest epoch", [speeds(facts) for facts in trainings]),
        ("images in (DVC's hash)", [facts.data for facts in trainings]),
        ("model folder (DVC's hash)", [facts.output for facts in trainings]),
        ("model.safetensors (SHA-256)", [facts.weights for facts in trainings]),
    ]


def speeds(facts: TrainingFacts) -> str:
    slowest, _, fastest = facts.images_per_second
    return f"{slowest:.0f} to {fastest:.0f}"
