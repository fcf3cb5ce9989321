"""Which runs were compared with each other, and which others repeat them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.entities import Run

from tinyres.common.errors import UserError
from tinyres.evaluation.registry import TEST_IMAGES
from tinyres.params import Reference
from tinyres.tracking.lineage import DATA
from tinyres.tracking.store import FINAL, MODEL, Store, order_tag

EVALUATION = "tinyres.evaluation"  # when and with which other models it was last compared; the table's runs share it
ORDER = order_tag("evaluate")


@dataclass(frozen=True)
class Comparison:
    """Models that were last compared with each other, as MLflow knows them, with every repetition of theirs."""

    runs: dict[str, list[Run]]
    """By model, in the order in which they were compared: runs that differ in nothing but the seed, by seed."""
    left_out: list[tuple[Run, list[str]]]
    """Evaluated runs of these models with other data or parameters, and which ones; data first."""
    reference: Reference | None

    @property
    def figures(self) -> dict[str, dict[int, dict[str, float]]]:
        """The final figures of every run by model and seed."""
        return {
            name: {int(run.data.params["seed"]): final_figures(run) for run in runs} for name, runs in self.runs.items()
        }


def final_figures(run: Run) -> dict[str, float]:
    """What `evaluate` added to a run."""
    return {key.removeprefix(FINAL): value for key, value in run.data.metrics.items() if key.startswith(FINAL)}


def latest_comparison(experiment: str) -> Comparison:
    """The last evaluation that an experiment holds and its repetitions with other seeds, from the store alone.

    The last one is the one that the store took last, whatever the clocks said; so it is of runs with the same seed and
    parameters.

    Raises:
        UserError: the store or the experiment does not exist, or nothing was evaluated yet.
    """
    store = Store.open(experiment, create=False)
    evaluated = sorted((run for run in store.runs_with({}) if EVALUATION in run.data.tags), key=_order, reverse=True)
    if not evaluated:
        raise UserError(f"The MLflow experiment {experiment!r} holds no evaluated model; run `dvc repro` first.")
    latest = evaluated[0].data.tags[EVALUATION]
    told = json.loads(latest)
    runs: dict[str, list[Run]] = {}
    left_out = []
    for name in told["models"]:
        of_model = [run for run in evaluated if run.data.tags[MODEL] == name]
        newest = next(run for run in of_model if run.data.tags[EVALUATION] == latest)
        by_seed = {newest.data.params["seed"]: newest}
        for run in of_model:  # those evaluated last first
            if differences := differences_of(newest, run):
                left_out.append((run, differences))
            else:
                by_seed.setdefault(run.data.params["seed"], run)
        runs[name] = [by_seed[seed] for seed in sorted(by_seed, key=int)]
    return Comparison(runs, left_out, Reference.model_validate(told["reference"]) if told["reference"] else None)


def _order(run: Run) -> tuple[int, str]:
    """Sorts evaluated runs by when the store took their results; by the clock those of stores that did not count."""
    return int(run.data.tags.get(ORDER, "0")), run.data.tags[EVALUATION]


def differences_of(one: Run, other: Run) -> list[str]:
    """In what two runs differ beside the seed: the images first, then names of parameters.

    The training data of two seeds may differ, since the seed chooses the validation images.
    """
    tags, params = (one.data.tags, other.data.tags), (one.data.params, other.data.params)
    differences = []
    if tags[0].get(TEST_IMAGES) != tags[1].get(TEST_IMAGES):
        differences.append("the test images")
    if params[0].get("seed") == params[1].get("seed") and tags[0].get(DATA) != tags[1].get(DATA):
        differences.append("the training data")
    names = (params[0].keys() | params[1].keys()) - {"seed"}
    return differences + sorted(name for name in names if params[0].get(name) != params[1].get(name))


def evaluation_tag(models: Sequence[str], reference: Reference | None) -> dict[str, str]:
    """The tag that runs compared with each other share; the later evaluation sorts after the earlier one."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    told = reference.model_dump() if reference else None
    return {EVALUATION: json.dumps({"at": now, "models": list(models), "reference": told})}
