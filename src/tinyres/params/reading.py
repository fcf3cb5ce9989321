"""`params.yaml` as a stage reads it: checked as a whole, of which it is handed the parameters that it names.

A stage can reach no others, so the list in `dvc.yaml` can be held to its names by a test.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tinyres.common.errors import UserError, nearest
from tinyres.params.preflight import check_before_running
from tinyres.params.schema import Params
from tinyres.params.validation import validate_params


def read_params(*names: str, file: Path | str = "params.yaml", changes: Mapping[str, Any] | None = None) -> Params:
    """Read and check the whole file, then hand out only the named parameters.

    Each value is the one that DVC tracks: it comes from DVC's own reader, and the schema accepts it or refuses it, but
    changes none. A whole number where the schema has a real one (`lr: 1`) is handed out as the equal `float`.

    Args:
        names: top-level keys (`seed`), or `section.key` for one entry of a section (`models.baseline`,
            `augment.online`). Reaching for anything else on the result raises AttributeError or KeyError.
        file: the parameters file, by default the one in the working folder.
        changes: values that replace the file's, by dotted name.

    Raises:
        UserError: the file is missing or unreadable, a value does not fit the schema, or no stage could work with it.
    """
    params = load_params(Path(file), changes)
    with telling_how_to_go_back(file):
        check_before_running(params, str(file))
    return Params.model_construct(**select(params, *names))


def load_params(file: Path, changes: Mapping[str, Any] | None = None) -> Params:
    """Read a parameters file and hold it to the schema, with `changes` (by dotted name) in place of its own values.

    Raises:
        UserError: the file is missing or unreadable, or values do not fit the schema: a line for each.
    """
    content = with_values(load_yaml(file), changes or {})
    with telling_how_to_go_back(file):
        return validate_params(content, str(file))


@contextmanager
def telling_how_to_go_back(file: Path | str) -> Iterator[None]:
    """Add the way back to an error: a value that `dvc exp run -S` wrote stays in the file for the next command."""
    try:
        yield
    except UserError as error:
        faults = str(error)
        separator = "\n" if "\n" in faults else " "
        raise UserError(f"{faults}{separator}To go back to the committed file: git checkout {file}") from None


def load_yaml(file: Path) -> dict[str, Any]:
    """The file's content as plain values.

    Raises:
        UserError: the file is missing, is not UTF-8 text, or is no YAML mapping.
    """
    if not file.is_file():
        raise UserError(f"There is no {file} in {Path.cwd()}; run from a study's folder, the one that holds dvc.yaml.")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{file} is not UTF-8 text (line {line}); save it in that encoding.") from None
    return parse_yaml(text, str(file))


def parse_yaml(text: str, file: str) -> dict[str, Any]:
    """A parameters file's content as plain values; `file` is what it is called in errors.

    The reader is DVC's own (`dvc.utils.serialize`), so that a spelling (`042`, `1:30`, `no`) means one thing to both.

    Raises:
        UserError: it is no YAML mapping.
    """
    try:
        content = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{file} is not valid YAML ({line}{error.problem}); correct that line.") from None
    except (YAMLError, ValueError) as error:  # the second of a date that no calendar has
        reason = " ".join(str(error).split())
        raise UserError(f"{file} is not valid YAML ({reason}); correct it.") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} holds no parameters; restore it with `git checkout {file}`.")
    return content


def with_values(content: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a parameters file's content with other values, by dotted name: `{"optimizer.name": "sgd"}`.

    Raises:
        UserError: a name leads into something that is no section.
    """
    changed = copy.deepcopy(content)
    for name, value in values.items():
        *sections, key = name.split(".")
        place: Any = changed
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise UserError(f"{name!r} is the name of no parameter; write it as section.name.")
        place[key] = value
    return changed


def select(params: Params, *names: str) -> dict[str, Any]:
    """The named top-level values; a section of which only single entries are named holds only those."""
    chosen: dict[str, Any] = {}
    for name in names:
        section, _, key = name.partition(".")
        value = getattr(params, section)
        if not key:
            chosen[section] = value
        elif isinstance(value, dict):
            if key not in value:
                raise UserError(f"params.yaml has no {name}{nearest(key, list(value))}")
            chosen.setdefault(section, {})[key] = value[key]
        else:
            part = {key: getattr(value, key)}
            chosen[section] = type(value).model_construct(**{**dict(chosen.get(section, {})), **part})
    return chosen


def plain(params: Params) -> dict[str, Any]:
    """The parameters that were read, as nested plain values (for JSON)."""
    return params.model_dump(mode="json", exclude_unset=True)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name: `{"optimizer": {"name": "adamw"}}` becomes `{"optimizer.name": "adamw"}`."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result
