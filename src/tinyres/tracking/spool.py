"""Where recordings wait that MLflow did not take: `$DVC_ROOT/.mlflow-spool/`.

One folder for each, named by the time: `recording.json`, and copies of all that it names, since the folders of queued
experiments do not last. It lies outside of every DVC output, since DVC removes those.
"""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from tinyres.common.atomic import replacing
from tinyres.common.errors import UserError
from tinyres.common.repository import project_root
from tinyres.tracking.address import own_uri, tracking_uri
from tinyres.tracking.failures import UnavailableError, explain
from tinyres.tracking.recording import Recording
from tinyres.tracking.store import Store

LOCK_SECONDS = 60  # as long as a stage waits for another one that is sending
FILE = "recording.json"


def spool_folder() -> Path:
    """Where recordings wait."""
    return project_root() / ".mlflow-spool"


def deliver(recordings: Sequence[Recording], what: str) -> None:
    """Send recordings of one experiment, behind those of it that still wait; keep them where that fails.

    No trained model is lost to a failure of tracking: it is told in one sentence, and that is all.
    """
    try:
        experiment = recordings[0].experiment
        store = Store.open(experiment)
        if _folders():
            with _only_sender():
                for folder, waiting in pending():
                    if waiting.experiment == experiment:
                        _send(folder, waiting, store)
        for recording in recordings:
            recording.send(store)
    except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
        keep(recordings, what, explain(error))


def keep(recordings: Sequence[Recording], what: str, reason: str) -> None:
    """Put recordings into the spool, and say so in one sentence."""
    try:
        for recording in recordings:
            _write(recording)
    except OSError as error:
        print(f"warning: {reason}; {what} is not recorded, since {spool_folder()} takes nothing either "
              f"({error.strerror}), but its files are complete.", file=sys.stderr)  # fmt: skip
    else:
        print(f"warning: {reason}, then `tinyres sync` sends {what}, kept in {spool_folder()}.", file=sys.stderr)


def sync() -> Iterator[Recording]:
    """Send all that waits, oldest first, and yield each recording that was taken.

    An experiment that takes nothing (it was deleted) does not hold up the others.

    Raises:
        UserError: something waits still; the first reason, and how much.
    """
    reasons: dict[str, str] = {}
    if not _folders():
        return
    with _only_sender():
        for folder, recording in pending():
            if recording.experiment in reasons:
                continue
            try:
                _send(folder, recording, Store.open(recording.experiment))
            except Exception as error:  # as in `deliver`
                reasons[recording.experiment] = explain(error)
                if isinstance(error, UnavailableError) or not isinstance(error, UserError):
                    break
            else:
                yield recording
    left = len(list(_folders()))
    if left:
        reason = next(iter(reasons.values()), "What waits is meant for another store; set MLFLOW_TRACKING_URI to it")
        raise UserError(f"{reason}, then run `tinyres sync` again ({left} kept in {spool_folder()}).")


def pending() -> Iterator[tuple[Path, Recording]]:
    """What waits, oldest first: all of it where MLFLOW_TRACKING_URI names a store. In the repository's own store, only
    what was meant for it, lest a server's results go there because the variable was not set."""
    for folder in _folders():
        recording = Recording.model_validate_json((folder / FILE).read_bytes())
        if recording.for_own_store or tracking_uri() != own_uri():
            yield folder, _moved(recording, folder)


def _folders() -> list[Path]:
    return sorted(spool_folder().glob("[0-9]*"))


def _send(folder: Path, recording: Recording, store: Store) -> None:
    recording.send(store)
    shutil.rmtree(folder)


def _write(recording: Recording) -> None:
    """Keep a recording with copies of its files, and of its model unless an earlier one brings the same weights."""
    earlier = (Recording.model_validate_json((folder / FILE).read_bytes()) for folder in _folders())
    if recording.results and any(each.model and each.weights == recording.weights for each in earlier):
        recording = recording.model_copy(update={"model": None})
    with replacing(spool_folder() / f"{time.time_ns()}-{recording.name}") as draft:
        draft.mkdir()
        if recording.model:
            shutil.copytree(recording.model, draft / "model")
        for file in recording.results.files if recording.results else []:
            shutil.copyfile(file, draft / file.name)
        (draft / FILE).write_text(_moved(recording, Path()).model_dump_json(indent=2), encoding="utf-8")


def _moved(recording: Recording, folder: Path) -> Recording:
    """The same recording with its files and its model in a folder of the spool."""
    changes: dict[str, Any] = {}
    if recording.model:
        changes["model"] = folder / "model"
    if recording.results:
        files = [folder / file.name for file in recording.results.files]
        changes["results"] = recording.results.model_copy(update={"files": files})
    return recording.model_copy(update=changes)


@contextmanager
def _only_sender() -> Iterator[None]:
    """One process at a time sends what waits, or a recording could be sent twice at once."""
    with FileLock(spool_folder() / "lock", timeout=LOCK_SECONDS):
        yield
