"""Where a trained model is found: in a folder, or in MLflow by run, version or alias."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tinyres.common.errors import UserError
from tinyres.common.model_folder import DESCRIPTION
from tinyres.tracking.address import shown_uri
from tinyres.tracking.failures import failures_explained

MLFLOW_URI = re.compile(r"runs:/(?P<run>[^/]+)(?P<path>/.+)?|models:/[^/@]+([/@][^/@]+)?")


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
    uri = MLFLOW_URI.fullmatch(name)
    if uri is None:
        raise UserError(f"{name!r} names no model; write runs:/RUN_ID, models:/NAME/VERSION or models:/NAME@ALIAS.")
    import mlflow  # seconds of imports, which a model's own folder can do without

    from tinyres.tracking.store import connect

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    missing = f"MLflow at {shown_uri()} has no {name}; `make ui` shows what it has."
    holds_none = f"{name} holds no model; name a run that finished its training."
    with failures_explained(missing):
        client = connect(create=False)
        if uri["run"]:
            client.get_run(uri["run"])
    full = f"{name}/model" if uri["run"] and not uri["path"] else name
    with failures_explained(holds_none if uri["run"] else missing):
        mlflow.artifacts.download_artifacts(full, dst_path=str(place))
    found = sorted(place.glob(f"**/data/*/{DESCRIPTION}"))
    if not found:
        raise UserError(f"{name} holds no model of tinyres; name a run that finished its training.")
    return found[0].parent
