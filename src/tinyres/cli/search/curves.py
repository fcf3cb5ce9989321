"""The curves of a trial's training in MLflow, while it trains."""

import sys

from mlflow.entities import Run

from tinyres.tracking.failures import explain
from tinyres.tracking.lineage import EXPERIMENT, STAGE
from tinyres.tracking.store import TRAINING, Store
from tinyres.training.checkpoint_store import CheckpointStore


class Curves:
    """One metric of the unfinished run of a DVC experiment. Without MLflow there is nothing to see, and no harm done.

    Args:
        store: the MLflow experiment.
        name: the DVC experiment's.
        stage: the one that trains.
        metric: as the training calls it.
    """

    def __init__(self, store: Store, name: str, stage: str, metric: str) -> None:
        self.store, self.name, self.stage, self.metric = store, name, stage, metric
        self.run: Run | None = None
        self.failed_before = False

    def epochs(self) -> dict[int, float]:
        """The metric by epoch (from 1), as far as MLflow has it."""
        try:
            if self.run is None:
                runs = self.store.runs_with({EXPERIMENT: self.name, STAGE: self.stage}, status="RUNNING")
                self.run = runs[0] if runs else None
            if self.run is None:
                return {}
            points = self.store.client.get_metric_history(self.run.info.run_id, self.metric)
            return {point.step: point.value for point in points}
        except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
            self._tell(error)
            return {}

    def end(self, status: str) -> None:
        """Close the run of a training that nobody goes on with, and forget its checkpoints."""
        try:
            self.epochs()
            if self.run is not None:
                self.store.client.set_terminated(self.run.info.run_id, status)
                CheckpointStore(self.run.data.tags[TRAINING]).remove()
        except Exception as error:  # as above
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self.failed_before:
            print(f"warning: {explain(error)}. The trial goes on, and is not pruned meanwhile.", file=sys.stderr)
        self.failed_before = True
