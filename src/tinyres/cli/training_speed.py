"""How fast networks were trained. Times are no outputs of the pipeline: they stand in MLflow alone."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tinyres.common.errors import UserError
from tinyres.common.model_folder import weights_hash
from tinyres.evaluation.tables import Table
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import failures_explained
from tinyres.tracking.store import MODEL, WEIGHTS, connect

SPEED = "images_per_second"


def speed_table(folders: Sequence[Path]) -> Table:
    """A row per model folder: training images per second, the median of its epochs and their range, and the machine.

    The run is the one that trained these weights, in whichever experiment of the store it is.

    Raises:
        UserError: a folder holds no model, or the store no training of it.
    """
    header = ["network", "training images/s (median)", "slowest epoch", "fastest epoch", "epochs", "on"]
    rows = []
    for folder in folders:
        speeds, environment = training_speeds(folder)
        cells = [f"{value:.0f}" for value in (median(speeds), min(speeds), max(speeds))]
        rows.append([folder.name, *cells, str(len(speeds)), environment])
    return Table(header, rows)


def training_speeds(folder: Path) -> tuple[list[float], str]:
    """Images per second of every epoch, and the environment that the run is tagged with."""
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} holds no model; name the folders of trained models, `models/*`, say.")
    missing = f"MLflow at {shown_uri()} holds no training of {folder}; train it here, or choose another store."
    tag = f"tags.`{WEIGHTS}` = '{weights_hash(folder)}' and tags.`{MODEL}` = '{folder.name}'"
    with failures_explained(missing):
        client = connect(create=False)
        experiments = [each.experiment_id for each in client.search_experiments()]
        for run in client.search_runs(experiments, tag, order_by=["attributes.start_time DESC"]):
            points = client.get_metric_history(run.info.run_id, SPEED)
            if points:  # a run that was made again from stored curves has none
                return [point.value for point in points], run.data.tags.get("tinyres.environment", "")
    raise UserError(missing)
