"""How the networks of the full study were trained: what dvc.lock and MLflow know of it.

Times and machines are no results, so no stage writes them. MLflow holds them, but its store is not in Git. `FACTS` is
the copy of them that is, beside the page that shows them.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tinyres.common.atomic import write_text
from tinyres.common.errors import UserError
from tinyres.params import load_yaml

FACTS = Path("docs/reproduce.json")
SHORT = 7  # characters of a commit


@dataclasses.dataclass(frozen=True)
class TrainingFacts:
    """One training."""

    output: str
    """DVC's hash of the model folder, by which dvc.lock names it."""
    weights: str
    """SHA-256 of its model.safetensors."""
    data: str
    """DVC's hash of the images it learned from."""
    seed: int
    command: str
    """As it ran, in the study's folder."""
    commit: str
    """Of the code."""
    clean: bool
    """Whether the code was that of the commit, unchanged."""
    environment: str
    """Versions and processor; see `Machine.environment`."""
    processor: str
    """Its name; empty if MLflow does not know it."""
    epochs: int
    seconds: float
    """Of all epochs, without the passes over the test images, but with whatever stopped or slowed the process."""
    epoch_seconds: float
    """The median of the epochs."""
    images_per_second: tuple[float, float, float]
    """Of the slowest epoch, of their median, and of the fastest."""

    @property
    def hours(self) -> float:
        """How long the training takes if nothing stops it: all epochs at the time of the median one."""
        return self.epochs * self.epoch_seconds / 3600

    @property
    def machine(self) -> str:
        """The processor and the versions, in words."""
        return ", ".join(filter(None, (self.processor, self.environment)))


def read_facts(root: Path, models: Iterable[str]) -> dict[str, TrainingFacts]:
    """Read the facts about the trainings that `dvc.lock` names; empty unless they are known of all models."""
    if not (root / FACTS).is_file():
        return {}
    written = json.loads((root / FACTS).read_text(encoding="utf-8"))
    facts = {
        model: TrainingFacts(**values | {"images_per_second": tuple(values["images_per_second"])})
        for model, values in written.items()
        if model in models and values["output"] == locked_output(root, model)
    }
    return facts if facts.keys() == set(models) else {}


def write_facts(root: Path, models: Iterable[str]) -> None:
    """Write the facts about the trainings that `dvc.lock` names, from the MLflow store.

    Raises:
        UserError: `dvc.lock` names no training of a model, its folder is not here, or the store does not hold it.
    """
    facts = {model: dataclasses.asdict(collect_facts(root, model)) for model in models}
    write_text(root / FACTS, json.dumps(facts, indent=2) + "\n")


def collect_facts(root: Path, model: str) -> TrainingFacts:
    """Collect the facts about one training."""
    from tinyres.cli.training_speed import SPEED, recorded_training  # imports MLflow, which takes seconds
    from tinyres.tracking.lineage import CLEAN, COMMAND, COMMIT, ENVIRONMENT, PROCESSOR
    from tinyres.tracking.store import WEIGHTS

    output, stage = locked_output(root, model), locked_training(root, model)
    if output is None:
        raise UserError(f"dvc.lock names no training of {model}; run `dvc repro train-{model}` first.")
    recorded = recorded_training(root / "models" / model)
    tags, speeds, seconds = recorded.run.data.tags, recorded.points(SPEED), recorded.points("seconds")
    return TrainingFacts(
        output=output,
        weights=tags[WEIGHTS],
        data=next(each["md5"] for each in stage["deps"] if each["path"] == "data/subset"),
        seed=stage["params"]["params.yaml"]["seed"],
        command=tags[COMMAND],
        commit=tags[COMMIT],
        clean=tags[CLEAN] == "true",
        environment=tags[ENVIRONMENT],
        processor=tags.get(PROCESSOR, ""),
        epochs=len(speeds),
        seconds=sum(seconds),
        epoch_seconds=median(seconds),
        images_per_second=(min(speeds), median(speeds), max(speeds)),
    )


def locked_output(root: Path, model: str) -> str | None:
    """Return the hash by which `dvc.lock` names a model's folder; None if it does not."""
    outputs = locked_training(root, model).get("outs", [])
    return next((each["md5"] for each in outputs if each["path"] == f"models/{model}"), None)


def locked_training(root: Path, model: str) -> Mapping[str, Any]:
    """Return what `dvc.lock` says of a model's training; empty if nothing."""
    lock = root / "dvc.lock"
    stages = load_yaml(lock)["stages"] if lock.is_file() else {}
    return stages.get(f"train-{model}", {})
