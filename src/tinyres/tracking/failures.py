"""What MLflow's failures mean to the user: one sentence each, with the remedy."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tinyres.common.errors import UserError
from tinyres.tracking.address import shown_uri

REASONS = (  # what errors of HTTP, SQL and MLflow say, what that means, and the remedy
    (r"unsupported URI|Invalid url|Could not parse|Failed to parse|[Ff]ilesystem tracking backend",
     "is no address of a store", "set MLFLOW_TRACKING_URI to http://…, postgresql://… or sqlite:////…"),
    (r"No module named", "needs a database driver that is not installed", "install it, or use a server (http://…)"),
    (r"error code 40[13]", "refused the credentials",
     "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
    (r"password authentication failed|no password supplied|Access denied for user", "refused the credentials",
     "correct the user and the password in MLFLOW_TRACKING_URI"),
    (r"out-of-date database schema|locate revision", "was made by another version of MLflow",
     "back it up and run `mlflow db upgrade {uri}`, or use the version that made it"),
    (r"file is not a database", "is no SQLite database", "name another file in MLFLOW_TRACKING_URI"),
    (r"unable to open database|readonly database|Read-only file system|Permission denied", "cannot be written",
     "allow writing there"),
    (r"Failed to resolve|could not translate host", "has an unknown host", "correct MLFLOW_TRACKING_URI"),
    (r"timed out|[Tt]imeout", "did not answer in time", "see that it runs"),
    (r"[Cc]onnection|[Cc]onnect to|RemoteDisconnected|error code 50[234]", "cannot be reached", "see that it runs"),
)  # fmt: skip
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter of an alias, or of what is no id at all


class UnavailableError(UserError):
    """The store cannot be used, whatever is asked of it."""


def explain(error: Exception) -> str:
    """Why MLflow could not be used and what to do about it: a sentence without its full stop."""
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    text = str(error)
    for pattern, reason, remedy in REASONS:
        if re.search(pattern, text):
            return f"MLflow at {shown_uri()} {reason}; {remedy.format(uri=shown_uri())}"
    first = (text.splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return f"MLflow at {shown_uri()} failed ({first}); see what its log says"


@contextmanager
def failures_explained(missing: str) -> Iterator[None]:
    """Run the body, which asks MLflow for one thing.

    Args:
        missing: the sentence for the case that MLflow has no such thing.

    Raises:
        UserError: it has no such thing, or the store cannot be used.
    """
    from mlflow.exceptions import MlflowException  # seconds of imports, which a model's own folder can do without
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        if getattr(error, "error_code", None) in NOT_THERE:
            raise UserError(missing) from None
        raise UnavailableError(f"{explain(error)}.") from None


@contextmanager
def never_in_the_way(what: str) -> Iterator[None]:
    """Run the body; if tracking fails, say so in one sentence and go on: no trained model is lost to it."""
    try:
        yield
    except Exception as error:  # MLflow's own, or whatever its stores and their drivers raise
        print(f"warning: MLflow did not take {what}: {explain(error)}, then `dvc repro -f evaluate` adds them.",
              file=sys.stderr)  # fmt: skip
