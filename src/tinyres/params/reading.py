"""`params.yaml` as a stage reads it: checked as a whole, of which it is handed the parameters that it names.

A stage can reach no others, so the list in `dvc.yaml` can be held to its names by a test.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tinyres.common.errors import UserError, nearest
from tinyres.params.schema import Params
from tinyres.params.validation import validate_params


class _Loader(yaml.SafeLoader):
    """YAML 1.2, as DVC reads and writes the same file: to PyYAML `1e-5` is text, and `no` is false."""


_BOOLEAN, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def read_params(*names: str, file: Path | str = "params.yaml", changes: Mapping[str, Any] | None = None) -> Params:
    """Read and check the whole file, then hand out only the named parameters.

    Args:
        names: top-level keys (`seed`), or `section.key` for one entry of a section (`models.baseline`,
            `augment.online`). Reaching for anything else on the result raises AttributeError or KeyError.
        file: the parameters file, by default the one in the working folder.
        changes: values that count in place of the file's, by dotted name.

    Raises:
        UserError: the file is missing or unreadable, or a value does not fit the schema.
    """
    params = validate_params(with_values(load_yaml(Path(file)), changes or {}), str(file))
    return Params.model_construct(**select(params, *names))


def load_yaml(file: Path) -> dict[str, Any]:
    """The file's content as plain values.

    Raises:
        UserError: the file is missing, or no YAML mapping.
    """
    if not file.is_file():
        raise UserError(f"There is no {file} in {Path.cwd()}; run from a study's folder, the one that holds dvc.yaml.")
    return parse_yaml(file.read_bytes(), str(file))


def parse_yaml(text: str | bytes, file: str) -> dict[str, Any]:
    """A parameters file's content as plain values; `file` is what it is called in errors.

    Raises:
        UserError: it is no YAML mapping.
    """
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid YAML ({' '.join(str(error).split())}); correct that line.") from None
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
