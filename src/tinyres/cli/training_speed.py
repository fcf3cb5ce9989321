"""How fast networks were trained. Times are no outputs of the pipeline: they stand in MLflow alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tinyres.common.errors import UserError
from tinyres.common.model_folder import weights_hash
from tinyres.evaluation.tables import Table
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import failures_explained
from tinyres.tracking.lineage import ENVIRONMENT
from tinyres.tracking.store import MODEL, WEIGHTS, connect

SPEED = "images_per_second"


@dataclass(frozen=True)
class RecordedTraining:
    """The MLflow run of a training, and the store it is in."""

    run: Run
    client: MlflowClient

    def points(self, metric: str) -> list[float]:
        """Return the values of a metric, one for each epoch."""
        return [point.value for point in self.client.get_metric_history(self.run.info.run_id, metric)]


def speed_table(folders: Sequence[Path]) -> Table:
    """A row per model folder: training images per second, the median of its epochs and their range, and the machine.

    The run is the one that trained these weights, in whichever experiment of the store it is.

    Raises:
        UserError: a folder holds no model, or the store no training of it.
    """
    header = ["network", "training images/s (median)", "slowest epoch", "fastest epoch", "epochs", "on"]
    rows = []
    for folder in folders:
        training = recorded_training(folder)
        speeds = training.points(SPEED)
        cells = [f"{value:.0f}" for value in (median(speeds), min(speeds), max(speeds))]
        rows.append([folder.name, *cells, str(len(speeds)), training.run.data.tags.get(ENVIRONMENT, "")])
    return Table(header, rows)


def recorded_training(folder: Path) -> RecordedTraining:
    """Find the run that trained the weights in a model folder, with the speed of its epochs.

    Raises:
        UserError: the folder holds no model, or the store no training of it.
    """
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} holds no model; name the folders of trained models, `models/*`, say.")
    missing = f"MLflow at {shown_uri()} holds no training of {folder}; train it here, or choose another store."
    tag = f"tags.`{WEIGHTS}` = '{weights_hash(folder)}' and tags.`{MODEL}` = '{folder.name}'"
    with failures_explained(missing):
        client = connect(create=False)
        experiments = [each.experiment_id for each in client.search_experiments()]
        for run in client.search_runs(experiments, tag, order_by=["attributes.start_time DESC"]):
            training = RecordedTraining(run, client)
            if training.points(SPEED):  # a run that was made again from stored curves has none
                return training
    raise UserError(missing)
