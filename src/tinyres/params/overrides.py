"""Changes of parameters as `dvc exp run -S` takes them, in Hydra's grammar."""

import json
import re
from collections.abc import Mapping
from typing import Any

PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*")  # text that Hydra's grammar takes as it is
RESERVED = ("true", "false", "null", "inf", "nan")  # unless it means a value


def overrides(before: Mapping[str, Any], after: Mapping[str, Any], section: str = "") -> list[str]:
    """What `dvc exp run -S` needs to turn `before` into `after`, in Hydra's grammar: `name=value` for a changed value,
    `+name=value` for a new one, `~name` for one that is gone. `section` is the prefix of every name."""
    changes: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        name = section + key
        if key not in after:
            changes += _removal(name, before[key])
        elif key not in before:
            changes.append(f"+{override(name, after[key])}")
        else:
            changes += _change(name, before[key], after[key])
    return changes


def override(name: str, value: Any) -> str:
    """`name=value`, as `dvc exp run -S` takes it."""
    return f"{name}={_hydra(value)}"


def _removal(name: str, value: Any) -> list[str]:
    """Hydra does not find a null to remove: it becomes a number first."""
    return [f"{name}=0", f"~{name}"] if value is None else [f"~{name}"]


def _change(name: str, before: Any, after: Any) -> list[str]:
    """What turns the value of a parameter that is in both into the other."""
    if isinstance(before, dict) and isinstance(after, dict):
        return overrides(before, after, f"{name}.")
    if isinstance(before, dict) or (isinstance(before, list) and isinstance(after, dict)):
        # Hydra would merge the new value into a section, and cannot merge a section into a list.
        return [f"~{name}", f"+{override(name, after)}"]
    if type(before) is type(after) and before == after:  # `1 == True`
        return []
    return [override(name, after)]


def _hydra(value: Any) -> str:
    """A plain value as Hydra reads it: JSON but for the quotes, which names do not need."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_hydra(each) for each in value) + "]"
    if isinstance(value, str) and PLAIN_WORD.fullmatch(value) and value.lower() not in RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)
