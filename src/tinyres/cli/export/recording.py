"""An export's figures in the MLflow run of the model that was exported."""

import sys
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric

from tinyres.common.errors import UserError
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import explain
from tinyres.tracking.store import MODEL, WEIGHTS, connect, now

FOLDER = "export"  # of artifacts, and the prefix of metrics


def record_export(name: str, weights: str, metrics: Mapping[str, float], report: Path) -> None:
    """Add an export's figures to the latest run that trained these weights, in whichever experiment it is.

    The files that an export leaves are complete without it, so a failure is told in one sentence, and that is all.

    Args:
        name: The model's.
        weights: The hash of its weights.
        metrics: By name, without the prefix.
        report: The JSON file, kept among the run's artifacts.
    """
    try:
        client = connect(create=False)
        experiments = [each.experiment_id for each in client.search_experiments()]
        tags = f"tags.`{WEIGHTS}` = '{weights}' and tags.`{MODEL}` = '{name}'"
        runs = client.search_runs(experiments, tags, max_results=1, order_by=["attributes.start_time DESC"])
        if not runs:
            raise UserError(f"MLflow at {shown_uri()} has no run of {name}; `dvc repro -f evaluate` makes one.")
        run, at = runs[0].info.run_id, now()
        client.log_batch(run, [Metric(f"{FOLDER}/{key}", value, at, 0) for key, value in metrics.items()])
        client.log_artifact(run, str(report), FOLDER)
    except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
        print(f"note: the figures are not in MLflow: {explain(error)}.", file=sys.stderr)
