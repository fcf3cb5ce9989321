"""What later stages add to the runs of the models that they looked at."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tinyres.fingerprint import hash_value
from tinyres.history import read_history
from tinyres.models import read_model_description, weights_hash
from tinyres.tracking.lineage import lineage_documents, lineage_tags
from tinyres.tracking.store import WEIGHTS, Store, never_in_the_way


def record_results(
    experiment: str,
    figures: Mapping[str, Mapping[str, float]],
    files: Sequence[Path],
    folder: str,
    tags: Mapping[str, str],
) -> None:
    """Add figures, files and tags to the run that trained each model (`models/<name>`).

    A model that DVC restored from its cache or a remote may have no run here, or one that was deleted in the UI; then
    one is made from the stored history, and that is said.

    Args:
        experiment: name of the MLflow experiment.
        figures: single numbers by model.
        files: logged to every model's run.
        folder: where among the run's artifacts.
        tags: set on every model's run.
    """
    with never_in_the_way(f"the results of {folder}"):
        store = Store.open(experiment)
        for name, values in figures.items():
            run_id = _run_of(store, name)
            store.log_final(run_id, values, tags)
            store.log_files(run_id, files, folder)


def _run_of(store: Store, name: str) -> str:
    """The run that trained the weights in `models/<name>`, or one made anew from the stored history."""
    folder = Path("models") / name
    weights = weights_hash(folder)
    if known := store.runs_with({WEIGHTS: weights}):
        return str(known[0].info.run_id)
    print(
        f"note: MLflow holds no run of the weights in {folder}; one was made from their stored curves.", file=sys.stderr
    )
    description = read_model_description(folder)
    key = hash_value({"restored": weights})
    tags = lineage_tags(f"train-{name}", description.training["data"], None) | {"tinyres.restored": "true"}
    run_id = store.start_training_run(name, key, description.training["params"], tags)
    store.log_texts(run_id, lineage_documents())
    store.log_history(run_id, read_history(Path("plots/history") / f"{name}.csv"))
    store.log_model(run_id, folder)
    store.log_final(run_id, {}, {WEIGHTS: weights})
    store.finish(run_id)
    return run_id
