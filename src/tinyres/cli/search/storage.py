"""Where searches keep what they know: Optuna's tables in a database."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from filelock import FileLock
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.exc import SQLAlchemyError

from tinyres.common.errors import UserError
from tinyres.common.repository import project_root

HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 30  # without a sign of life, after which a trial's process counts as gone and the trial is taken again
ATTEMPTS = 3  # at Optuna's tables, which two processes may be about to create at the same moment


def default_storage() -> str:
    """`OPTUNA_STORAGE`, as Optuna's own command has it, or the SQLite file at the repository's root."""
    return os.environ.get("OPTUNA_STORAGE") or f"sqlite:///{project_root() / 'optuna.db'}"


def open_storage(uri: str) -> RDBStorage:
    """Connect, and create Optuna's tables where there are none.

    Raises:
        UserError: the database cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # the heartbeat, since 2.9
    with told_of(uri), FileLock(project_root() / "optuna.lock"):
        for attempt in range(ATTEMPTS):
            try:
                return RDBStorage(
                    uri,
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=GRACE_SECONDS,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
                )
            except SQLAlchemyError:
                if attempt == ATTEMPTS - 1:
                    raise
    raise AssertionError


@contextmanager
def told_of(uri: str) -> Iterator[None]:
    """Run the body; turn what goes wrong with the database into one sentence, which holds no password."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        shown = re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", uri)
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        reason = (str(getattr(cause, "orig", None) or cause).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"The searches' storage {shown} cannot be used ({reason.replace(uri, shown)[:200].rstrip('.')}); "
            "see that it runs, and correct --storage."
        ) from None
