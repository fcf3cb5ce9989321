"""Where a trained model is found: in a folder, or in MLflow by run, version or alias."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tinyres.common.errors import UserError
from tinyres.common.model_folder import DESCRIPTION

MLFLOW_URI = re.compile(r"runs:/(?P<run>[^/]+)(?P<path>/.+)?|models:/[^/@]+([/@][^/@]+)?")

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter of an alias


@contextmanager
def model_folder(model: str) -> Iterator[Path]:
    """The folder of a model that the user named: by its path, or by an MLflow URI, downloaded for as long as needed.

    `runs:/RUN_ID` is short for `runs:/RUN_ID/model`.

    Raises:
        UserError: there is no such model, or the store that should hold it cannot be reached.
    """
    if model.startswith(("runs:", "models:")):
        with TemporaryDirectory() as place:
            yield _download(model, Path(place))
    elif (Path(model) / DESCRIPTION).is_file():
        yield Path(model)
    else:
        here = ", ".join(sorted(str(file.parent) for file in Path("models").glob(f"*/{DESCRIPTION}")))
        remedy = f"here are {here}" if here else "train one with `dvc repro`"
        raise UserError(f"{model} is no folder of a trained model; {remedy}, or name one in MLflow: runs:/RUN_ID.")


def _download(name: str, place: Path) -> Path:
    """The model folder inside an MLflow model, which holds code as well; that is left alone."""
    from tinyres.tracking.store import existing_uri  # before MLflow: it sets how long that waits for a server

    import mlflow  # isort: skip  # seconds of imports, which a model's own folder can do without
    from sqlalchemy.exc import SQLAlchemyError

    uri = MLFLOW_URI.fullmatch(name)
    if uri is None:
        raise UserError(f"{name!r} names no model; write runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS.")
    store = existing_uri()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(store)
    missing = f"MLflow at {store} has no {name}; `make ui` shows what it has."
    full = f"{name}/model" if uri["run"] and not uri["path"] else name
    try:
        if uri["run"]:
            mlflow.get_run(uri["run"])
            missing = f"{name} holds no model; name a run that finished its training."
        mlflow.artifacts.download_artifacts(full, dst_path=str(place))
    except (mlflow.MlflowException, SQLAlchemyError, OSError) as error:
        if getattr(error, "error_code", None) in NOT_THERE:
            raise UserError(missing) from None
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise UserError(
            f"MLflow at {store} did not hand out {name} ({reason}); see that it runs and MLFLOW_TRACKING_URI names it."
        ) from None
    found = sorted(place.glob(f"**/data/*/{DESCRIPTION}"))
    if not found:
        raise UserError(f"{name} holds no model of tinyres; name a run that finished its training.")
    return found[0].parent
