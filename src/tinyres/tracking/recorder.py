"""The MLflow run of one training, while it trains."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinyres.common.curves import EpochRecord
from tinyres.common.model_folder import weights_hash
from tinyres.common.training_record import Training
from tinyres.params import Tracking
from tinyres.tracking.failures import explain
from tinyres.tracking.inputs import described, images_of, passed_over_files
from tinyres.tracking.lineage import STAGE, lineage_documents, lineage_tags
from tinyres.tracking.recording import Recording, run_name
from tinyres.tracking.spool import deliver, keep
from tinyres.tracking.store import DESCRIPTION, Store, now
from tinyres.tracking.system import system_metrics

PAUSE_SECONDS = 2.0  # between two batches of curves: someone who watches sees no difference
RETRY_SECONDS = 10.0  # to the next attempt after a failed one
PATIENCE_SECONDS = 60.0  # for the last batch, as long as one call over HTTP may take (see `tinyres.tracking`)


class MLflowRecorder:
    """Keeps the record of a stage's trainings in MLflow.

    Args:
        tracking: the experiment, and whether the machine is watched meanwhile.
        stage: by its name in `dvc.yaml`.
    """

    def __init__(self, tracking: Tracking, stage: str) -> None:
        self.tracking, self.stage = tracking, stage

    @contextmanager
    def record(self, training: Training) -> Iterator["MLflowRecord"]:
        """The MLflow run of a training; a training that goes on continues its run."""
        record = MLflowRecord(
            self.tracking.experiment,
            training,
            lineage_tags(self.stage, training.data_hash, training.environment),
            lineage_documents(),
        )
        with system_metrics(record.run_id if self.tracking.system_metrics else None):
            yield record


class MLflowRecord:
    """The MLflow run of one training. It never delays the training: a thread sends the curves in batches, and a failure
    is reported once and retried. In the end either the store or the spool holds everything.

    Args:
        experiment: name of the MLflow experiment.
        training: what is known of the training; an unfinished run of the same key is continued.
        tags: further tags of the run.
        documents: texts to keep whole, by their path among the run's artifacts.
    """

    def __init__(
        self, experiment: str, training: Training, tags: dict[str, str], documents: dict[str, str] | None = None
    ) -> None:
        self.experiment, self.training = experiment, training
        self.images = images_of(training.data, passed_over_files())
        description = described(training.name, self.images, tags.get(STAGE, training.name))
        self.tags, self.documents = {DESCRIPTION: description} | tags, documents or {}
        self.run_name, self.started = run_name(training.name), now()
        self.curves: list[EpochRecord] = []
        self.run: tuple[Store, str] | None = None
        self.tried, self.ended = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._send_curves, name="curves to MLflow", daemon=True)
        self.thread.start()

    @property
    def run_id(self) -> str | None:
        """The run in MLflow, as soon as the store was asked for it; None if that failed."""
        self.tried.wait(PATIENCE_SECONDS)
        return self.run[1] if self.run else None

    def epochs(self, curves: Sequence[EpochRecord]) -> None:
        """Have the newest epochs sent soon; all of them where nothing was sent yet."""
        self.curves = list(curves)

    def finish(self, curves: Sequence[EpochRecord], folder: Path) -> None:
        """Complete the run: all curves, the weights' hash, the model folder itself."""
        self.ended.set()
        self.thread.join(PATIENCE_SECONDS)
        recording = Recording(
            experiment=self.experiment,
            name=self.training.name,
            key=self.training.key,
            params=self.training.params,
            tags=self.tags,
            documents=self.documents,
            images=self.images,
            history=list(curves),
            weights=weights_hash(folder),
            model=folder,
            run_name=self.run_name,
            started=self.started,
        )
        what = f"the training of {self.training.name}"
        if self.thread.is_alive():
            keep([recording], what, explain(TimeoutError("timed out")))
        else:
            deliver([recording], what)

    def _send_curves(self) -> None:
        sent, failed_before, pause = 0, False, 0.0
        while not self.ended.wait(pause):
            try:
                if self.run is None:
                    self.run = self._start_run()
                store, run_id = self.run
                self.tried.set()
                curves = self.curves
                if len(curves) > sent:
                    store.log_history(run_id, curves[sent:])
                    sent = len(curves)
                pause = PAUSE_SECONDS
            except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
                if not failed_before:
                    print(f"warning: {explain(error)}. The training goes on; its curves are sent again later.",
                          file=sys.stderr)  # fmt: skip
                failed_before, pause = True, RETRY_SECONDS
                self.tried.set()

    def _start_run(self) -> tuple[Store, str]:
        training, store = self.training, Store.open(self.experiment)
        run_id = store.start_training_run(
            training.name, training.key, training.params, self.tags, self.run_name, self.started
        )
        store.log_texts(run_id, self.documents)
        store.log_images(run_id, self.images)
        return store, run_id
