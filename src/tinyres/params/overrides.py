"""Changes of parameters as `dvc exp run -S` takes them, in Hydra's grammar."""

import json
import re
from collections.abc import Mapping
from typing import Any

PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*")  # text that Hydra's grammar takes as it is
RESERVED = ("true", "false", "null", "inf", "nan")  # unless it means a value


def overrides(before: Mapping[str, Any], after: Mapping[str, Any], section: str = "") -> list[str]:
    """What `dvc exp run -S` needs to turn the one into the other, in Hydra's grammar: `name=value` for a changed value,
    `+name=value` for a new one, `~name` for one that is gone. `section` is the prefix of every name."""
    changes = []
    for key in sorted(before.keys() | after.keys()):
        name, one, other = section + key, before.get(key), after.get(key)
        if key not in after:
            changes += [f"{name}=0"] * (one is None) + [f"~{name}"]  # Hydra finds no null to remove
        elif key not in before:
            changes.append(f"+{override(name, other)}")
        elif isinstance(one, dict) and isinstance(other, dict):
            changes += overrides(one, other, f"{name}.")
        elif isinstance(one, dict) or (isinstance(one, list) and isinstance(other, dict)):
            # Hydra merges into a section what is said of it, and no section into a list
            changes += [f"~{name}", f"+{override(name, other)}"]
        elif (type(one), one) != (type(other), other):  # 1 == True
            changes.append(override(name, other))
    return changes


def override(name: str, value: Any) -> str:
    """`name=value`, as `dvc exp run -S` takes it."""
    return f"{name}={_hydra(value)}"


def _hydra(value: Any) -> str:
    """A plain value as Hydra reads it: JSON but for the quotes, which names do not need."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_hydra(each) for each in value) + "]"
    if isinstance(value, str) and PLAIN_WORD.fullmatch(value) and value.lower() not in RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)
