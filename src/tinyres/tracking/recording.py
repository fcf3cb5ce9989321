"""What a model's MLflow run is to hold, whole: it can be sent now or later, and twice without harm."""

import os
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tinyres.common.curves import EpochRecord
from tinyres.common.hashes import hash_value
from tinyres.tracking.address import own_uri, tracking_uri
from tinyres.tracking.inputs import Images
from tinyres.tracking.store import WEIGHTS, Store, now

RECORDING = "tinyres.recording"


class Results(BaseModel, frozen=True):
    """What a later stage adds to a run."""

    figures: dict[str, float]
    tags: dict[str, str]
    files: list[Path]
    folder: str
    """Of the files, among the run's artifacts."""
    pictures: dict[str, str] = {}
    """Of the files, those that MLflow shows beside the same ones of other runs: their names by key."""


class Recording(BaseModel):
    """One finished training, or what a later stage found out about one."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    experiment: str
    name: str
    """The model's."""
    key: str
    params: dict[str, Any]
    tags: dict[str, str]
    documents: dict[str, str]
    """Texts kept whole, by their place among the run's artifacts."""
    images: list[Images] = []
    """None where an earlier version of this code kept the recording."""
    history: list[EpochRecord]
    weights: str | None = None
    """Their hash; None where they are not kept."""
    model: Path | None = None
    """The model folder; None where it is known to be in the store already, or where it is not kept."""
    run_name: str
    started: int
    """Milliseconds since 1970, as all times of MLflow."""
    ended: int = Field(default_factory=now)
    results: Results | None = None
    """None of a training: that has a run of its own, even where an earlier one had the same weights."""
    for_own_store: bool = Field(default_factory=lambda: tracking_uri() == own_uri())
    """Whether it is meant for the repository's own store, not for one that MLFLOW_TRACKING_URI names."""

    @property
    def id(self) -> str:
        """Hash of what went into the training and of its curves with their times: another training has another, a
        finished one that was killed while it was recorded has it again."""
        return hash_value({"key": self.key, "history": self.history})

    def send(self, store: Store) -> None:
        """Make the store hold all of it. What is there already, from an earlier attempt or epoch by epoch, stays."""
        if self.results is None:
            known = store.runs_with({RECORDING: self.id}, status="FINISHED")
        else:
            assert self.weights is not None
            known = store.runs_with({WEIGHTS: self.weights})
        run_id = str(known[0].info.run_id) if known else self._send_training(store)
        if self.results is not None and not known:
            print(f"note: MLflow holds no run of the weights in models/{self.name}; one was made from their stored "
                  "curves.", file=sys.stderr)  # fmt: skip
        if self.results is not None:
            store.log_files(run_id, self.results.files, self.results.folder)
            store.log_final(run_id, self.results.figures, self.results.tags, self.ended, self.results.folder)
            places = {file.name: file for file in self.results.files}
            pictures = {key: places[name] for key, name in self.results.pictures.items()}
            store.log_pictures(run_id, pictures, self.results.folder)

    def _send_training(self, store: Store) -> str:
        run_id = store.start_training_run(self.name, self.key, self.params, self.tags, self.run_name, self.started)
        store.log_texts(run_id, self.documents)
        store.log_images(run_id, self.images)
        store.log_history(run_id, [{"timestamp": self.ended / 1000} | record for record in self.history])
        if self.model is not None:
            store.log_model(run_id, self.model)
        weights = {} if self.weights is None else {WEIGHTS: self.weights}
        store.log_final(run_id, {}, {RECORDING: self.id, **weights}, self.ended)
        store.finish(run_id, self.ended)
        return run_id


def run_name(name: str) -> str:
    """The run's name in the UI: the model's, after that of the DVC experiment if there is one."""
    experiment = os.environ.get("DVC_EXP_NAME")
    return f"{experiment}/{name}" if experiment else name
