"""The address of the MLflow store, the same for every part of the project."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from tinyres.common.errors import UserError
from tinyres.common.repository import project_root

DATABASE = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?:")
SQLITE = re.compile(r"sqlite(\+\w+)?:///(?P<database>[^?]*)")


def tracking_uri() -> str:
    """The store that `MLFLOW_TRACKING_URI` names, or else the repository's own.

    A relative SQLite file lies in the repository, whatever the working folder is: DVC runs experiments in temporary
    folders, and a store that lay there would be removed with them.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return own_uri()
    file = sqlite_file(uri)
    return uri if file is None or file.is_absolute() else sqlite_uri(project_root() / file)


def existing_uri() -> str:
    """The address of a store to read. MLflow's client would create an empty SQLite file that is not there.

    Raises:
        UserError: there is no such file.
    """
    uri = tracking_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise UserError(f"There is no MLflow store at {uri}; run `dvc repro` first, or set MLFLOW_TRACKING_URI.")
    return uri


def own_uri() -> str:
    """The SQLite file at the repository's root."""
    return sqlite_uri(project_root() / "mlflow.db")


def shown_uri() -> str:
    """The tracking URI without a password, for messages."""
    return re.sub(r"(?<=://)([^/@:]+):.*@", r"\1:***@", tracking_uri())


def is_database(uri: str) -> bool:
    """Whether MLflow's client opens a database itself, rather than ask a server."""
    return DATABASE.match(uri) is not None


def sqlite_uri(file: Path) -> str:
    """The address of an SQLite file, whatever characters its path has.

    SQLAlchemy decodes `%` and ends the path at `?`, so both are encoded. MLflow takes the encoded path of a
    `sqlite:///` address for a real one and creates its folder; it leaves `sqlite+pysqlite:///`, the same driver, alone.
    """
    path = os.path.normpath(file)
    encoded = path.replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}" if encoded == path else f"sqlite+pysqlite:///{encoded}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite address; None for other stores, for one in memory, and for SQLite's own `file:` form."""
    match = SQLITE.match(uri)
    if match is None or match["database"] in ("", ":memory:") or match["database"].startswith("file:"):
        return None
    return Path(unquote(match["database"]))
