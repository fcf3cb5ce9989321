"""The MLflow run of one training, while it trains."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyres.history import Record
from tinyres.models import weights_hash
from tinyres.tracking.store import WEIGHTS, Store, never_in_the_way


class Recorder:
    """The MLflow run of one training. It never stands in the training's way: when the store cannot be reached, that is
    said once, and everything is tried again at the end.

    Args:
        experiment: name of the MLflow experiment.
        name: the model's name.
        key: hash of what goes into the training; an unfinished run of the same key is continued.
        params: every parameter that the training read, as nested plain values.
        tags: further tags of the run.
        documents: texts to keep whole, by their place among the run's artifacts.

    Raises:
        UserError: the experiment was deleted in the UI.
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
        self.experiment, self.name, self.key, self.params, self.tags = experiment, name, key, params, tags
        self.documents = documents or {}
        self.run: tuple[Store, str] | None = None
        self.reachable = True
        self._try("the start of the run", lambda store, run_id: store.log_texts(run_id, self.documents))

    @property
    def run_id(self) -> str | None:
        """The run in MLflow; None as long as the store could not be reached."""
        return self.run[1] if self.run else None

    def history(self, records: Sequence[Record]) -> None:
        """Log the newest epochs; all of them where nothing was logged yet."""
        if self.reachable:
            self._try("an epoch's metrics", lambda store, run_id: store.log_history(run_id, records))

    def finish(self, records: Sequence[Record], folder: Path) -> None:
        """Complete the run: all curves, the weights' hash, the model folder itself."""

        def complete(store: Store, run_id: str) -> None:
            store.log_texts(run_id, self.documents)
            store.log_history(run_id, records)
            store.log_final(run_id, {}, {WEIGHTS: weights_hash(folder)})
            store.log_model(run_id, folder)
            store.finish(run_id)

        self._try("the finished run", complete)

    def _try(self, what: str, action: Callable[[Store, str], None]) -> None:
        self.reachable = False
        with never_in_the_way(what):
            if self.run is None:
                store = Store.open(self.experiment)
                self.run = (store, store.start_training_run(self.name, self.key, self.params, self.tags))
            action(*self.run)
            self.reachable = True
