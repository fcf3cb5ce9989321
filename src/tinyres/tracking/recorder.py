"""The MLflow run of one training, while it trains."""

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyres.history import Record
from tinyres.models import weights_hash
from tinyres.tracking.recording import Recording, run_name
from tinyres.tracking.spool import deliver, keep
from tinyres.tracking.store import Store, now, trouble

PAUSE_SECONDS = 2.0  # between two batches of curves: someone who watches sees no difference
RETRY_SECONDS = 10.0  # to the next attempt after a failed one
PATIENCE_SECONDS = 60.0  # for the last batch, as long as one call over HTTP may take (see `tinyres.tracking`)


class Recorder:
    """The MLflow run of one training. It never stands in the training's way: a thread sends the curves in batches, and
    what fails is told once and tried again. At the end the store holds everything, or else the spool does.

    Args:
        experiment: name of the MLflow experiment.
        name: the model's name.
        key: hash of what goes into the training; an unfinished run of the same key is continued.
        params: every parameter that the training read, as nested plain values.
        tags: further tags of the run.
        documents: texts to keep whole, by their place among the run's artifacts.
    """

    def __init__(
        self,
        experiment: str,
        name: str,
        key: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        documents: Mapping[str, str] | None = None,
    ) -> None:
        self.experiment, self.name, self.key = experiment, name, key
        self.params, self.tags, self.documents = dict(params), dict(tags), dict(documents or {})
        self.run_name, self.started = run_name(name), now()
        self.records: list[Record] = []
        self.run: tuple[Store, str] | None = None
        self.tried, self.ended = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._send_curves, name="curves to MLflow", daemon=True)
        self.thread.start()

    @property
    def run_id(self) -> str | None:
        """The run in MLflow, as soon as the store was asked for it; None if that failed."""
        self.tried.wait(PATIENCE_SECONDS)
        return self.run[1] if self.run else None

    def history(self, records: Sequence[Record]) -> None:
        """Have the newest epochs sent soon; all of them where nothing was sent yet."""
        self.records = list(records)

    def finish(self, records: Sequence[Record], folder: Path) -> None:
        """Complete the run: all curves, the weights' hash, the model folder itself."""
        self.ended.set()
        self.thread.join(PATIENCE_SECONDS)
        recording = Recording(
            experiment=self.experiment,
            name=self.name,
            key=self.key,
            params=self.params,
            tags=self.tags,
            documents=self.documents,
            history=list(records),
            weights=weights_hash(folder),
            model=folder,
            run_name=self.run_name,
            started=self.started,
        )
        if self.thread.is_alive():
            keep([recording], f"the training of {self.name}", trouble(TimeoutError("timed out")))
        else:
            deliver([recording], f"the training of {self.name}")

    def _send_curves(self) -> None:
        sent, failed_before, pause = 0, False, 0.0
        while not self.ended.wait(pause):
            try:
                if self.run is None:
                    store = Store.open(self.experiment)
                    started = (self.name, self.key, self.params, self.tags, self.run_name, self.started)
                    self.run = (store, store.start_training_run(*started))
                    store.log_texts(self.run[1], self.documents)
                store, run_id = self.run
                self.tried.set()
                records = self.records
                if len(records) > sent:
                    store.log_history(run_id, records[sent:])
                    sent = len(records)
                pause = PAUSE_SECONDS
            except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
                if not failed_before:
                    print(f"warning: {trouble(error)}. The training goes on; its curves are sent again later.",
                          file=sys.stderr)  # fmt: skip
                failed_before, pause = True, RETRY_SECONDS
                self.tried.set()
