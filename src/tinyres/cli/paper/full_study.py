"""The results of the paper's full study, if it has been run here."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyres.cli.paper.trainings import TrainingFacts, read_facts
from tinyres.cli.paper.verdicts import StudyResults
from tinyres.common.curves import read_curves
from tinyres.common.errors import UserError
from tinyres.params import Params, load_params

MODELS = ("baseline", "modified")
CLASSES, EPOCHS = 100, 30
NOT_RUN = "the full study has not been run here"


@dataclass(frozen=True)
class FullStudy:
    """What the pages about the paper are made of."""

    paper: Mapping[str, Mapping[str, float]]
    """The paper's Table 2 by model and metric, in per cent."""
    missing: str | None
    """Why the results in the folder are not those of the full study, in words; None if they are."""
    results: StudyResults | None
    """None if they are not."""
    trainings: Mapping[str, TrainingFacts]
    """How each network was trained, by model; empty if that is not known."""

    def why_not(self) -> str:
        """Return that the full study has not been run, and how that can be seen."""
        return f"{NOT_RUN} ({self.missing})"


def read_study(root: Path) -> FullStudy:
    """Read the paper's figures and the results of the study in the folder `root`.

    Raises:
        UserError: There is no study, or its params.yaml lacks the paper's figures.
    """
    params = load_params(root / "params.yaml")
    reference = params.evaluate.reference
    if reference is None or not set(MODELS) <= reference.models.keys():
        raise UserError(
            "params.yaml holds no evaluate.reference for baseline and modified; restore the paper's figures there."
        )
    missing = why_not_full(root, params)
    if missing:
        return FullStudy(reference.models, missing, None, {})
    return FullStudy(reference.models, None, read_results(root, reference.models), read_facts(root, MODELS))


def why_not_full(root: Path, params: Params) -> str | None:
    """Return why the results in `root` are not those of the full study, in words; None if they are."""
    subset = params.subset
    if params.data.source != "cifar100" or subset.classes != "all" or subset.per_class or subset.validation:
        return "params.yaml does not take all of CIFAR-100"
    names = ["evaluate.json", "embed.json", "evaluation/per_class.csv", "evaluation/confused_pairs.csv"]
    files = [root / "metrics" / name for name in [*names, *(f"train_{model}.json" for model in MODELS)]]
    absent = [file for file in [*files, root / "plots/history/modified.csv"] if not file.is_file()]
    if absent:
        return f"there is no {absent[0].relative_to(root)}"
    classes = len(read_rows(root / "metrics/evaluation/per_class.csv"))
    if classes != CLASSES:
        return f"metrics/ holds results on {classes} classes, not {CLASSES}"
    for model in MODELS:
        epochs = read_json(root / f"metrics/train_{model}.json")["epochs"]
        if epochs != EPOCHS:
            return f"{model} was trained for {epochs} epochs, not {EPOCHS}"
    return None


def read_results(root: Path, paper: Mapping[str, Mapping[str, float]]) -> StudyResults:
    """Read the results of the full study in `root`; `paper` is the paper's Table 2 by model and metric, in per cent."""
    metrics = root / "metrics"
    evaluation = read_json(metrics / "evaluate.json")
    trained = {model: read_json(metrics / f"train_{model}.json")["train_accuracy"] for model in MODELS}
    rows = read_rows(metrics / "evaluation/per_class.csv")
    pairs = read_rows(metrics / "evaluation/confused_pairs.csv")
    return StudyResults(
        paper=paper,
        figures={model: evaluation[model] | {"train_accuracy": trained[model]} for model in MODELS},
        difference=evaluation["difference"],
        per_class={row["class"]: float(row["modified"]) for row in rows},
        superclasses={row["class"]: row["superclass"] for row in rows},
        confused=[
            (pair["actual"], pair["predicted"], int(pair["images"])) for pair in pairs if pair["model"] == "modified"
        ],
        embedding=read_json(metrics / "embed.json")["modified"],
        history=read_curves(root / "plots/history/modified.csv"),
    )


def read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def read_rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
