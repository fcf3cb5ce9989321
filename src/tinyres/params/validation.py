"""Plain values against the schema: a line on each that does not fit, with the parameter's name and what it takes."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tinyres.common.errors import UserError
from tinyres.params.schema import Params

SHOWN_NAMES = 8  # of a section in which a name is unknown


def validate_params(content: dict[str, Any], file: str = "params.yaml") -> Params:
    """Check plain values against the schema.

    Raises:
        UserError: a line for each value that does not fit. Contradictions between values are found once each value
            fits by itself.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        # Unknown names first: a misspelt parameter is also a missing one.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        sentences = [sentence for problem in problems for sentence in _sentences(problem, content)]
        raise UserError("\n".join(f"{file}: {each}" for each in dict.fromkeys(sentences))) from None


def _sentences(problem: ErrorDetails, content: dict[str, Any]) -> list[str]:
    """Which parameter, what it is, and what to give in its place; several where several values contradict it."""
    name, value, schema = _place(problem["loc"], content)
    full_name = ".".join(str(part) for part in problem["loc"])
    if problem["loc"][-1:] == ("[key]",):
        return [f"{name} is the name of an entry, which is text: write it in quotes."]
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        return [f"unknown parameter {full_name!r}{nearest_parameter(full_name, content)}"]
    if problem["type"] == "missing":
        missing = schema["properties"][problem["loc"][-1]]
        return [f"the parameter {full_name!r} is missing: give {demand(missing)}."]
    if problem["type"] == "value_error":  # in the schema's own words
        reasons = problem["ctx"]["error"].args
        if not isinstance(value, dict):
            return [f"{name} is {shown(value)}: {reason}." for reason in reasons]
        return [f"{name}: {reason}." if name else f"{reason}." for reason in reasons]
    wanted = demand(schema)
    if problem["type"] == "finite_number":
        wanted = wanted.replace("a number", "a finite number")
    return [f"{name} is {shown(value)}: give {wanted}{_in_quotes(value, schema)}."]


def _in_quotes(value: Any, schema: dict[str, Any]) -> str:
    """How to write names that YAML reads as numbers, dates or truth values without quotes."""
    items = value if isinstance(value, list) else [value]
    if not _takes_names(schema) or not items or any(isinstance(item, dict | list | None) for item in items):
        return ""
    if all(isinstance(item, str) for item in items):
        return ""
    names = [item if isinstance(item, str) else shown(item).strip("'") for item in items]
    return f"; YAML needs quotes here: {shown(names if isinstance(value, list) else names[0])}"


def _takes_names(schema: dict[str, Any]) -> bool:
    """Whether any name, or a list of any names, is taken."""
    options = [schema, *schema.get("anyOf", [])]
    options += [option["items"] for option in options if "items" in option]
    return any(option.get("type") == "string" and not {"enum", "const"} & option.keys() for option in options)


def nearest_parameter(name: str, content: dict[str, Any]) -> str:
    """The end of a sentence on an unknown name: `; did you mean 'lr'?`, else what its section has.

    A near miss is looked for in the section; then one of the same last name, or of which the word is the meaning, in
    all others: `momentum` is answered with `optimizer.momentum`, `learning_rate` with `lr`.
    """
    *place, key = name.split(".")
    word = key.lower().replace(" ", "_")
    known = sorted(_place(tuple(place), content)[2].get("properties", []))
    if matches := get_close_matches(word, known, n=1):
        return f"; did you mean {'.'.join([*place, matches[0]])!r}?"
    for full_name, meaning in _parameters(_schema(), content):
        if full_name.endswith(f".{word}") or meaning.lower().startswith(word.replace("_", " ")):
            return f"; did you mean {full_name!r}?"
    more = ", …" if len(known) > SHOWN_NAMES else ""
    return f"; known are: {', '.join(known[:SHOWN_NAMES])}{more}."


def _parameters(schema: dict[str, Any], content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Full name and meaning of each parameter that the content has and the schema knows."""
    for key, value in content.items():
        inner = _inner(schema, key)
        if inner and isinstance(value, dict):
            yield from _parameters(inner, value, f"{prefix}{key}.")
        elif inner:
            yield f"{prefix}{key}", inner.get("description", "")


def _place(location: tuple[int | str, ...], content: Any) -> tuple[str, Any, dict[str, Any]]:
    """The parameter that an error's location leads to: its name, its value, and what the schema says of it.

    A location may go on below the parameter, into an item of a list or a branch of a union.
    """
    schema, names = _schema(), []
    for part in location:
        inner = _inner(schema, part)
        if not inner or not isinstance(content, dict) or part not in content:
            break
        schema, content = inner, content[part]
        names.append(str(part))
    return ".".join(names), content, schema


def _inner(section: dict[str, Any], key: int | str) -> dict[str, Any]:
    """What the schema says of an entry of a section, empty where it knows none."""
    entry: dict[str, Any] = section.get("properties", {}).get(key) or section.get("additionalProperties") or {}
    # A section that may also be null counts as the section.
    entry = next((option for option in entry.get("anyOf", []) if "$ref" in option), entry)
    return _schema()["$defs"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry


@cache
def _schema() -> dict[str, Any]:
    return Params.model_json_schema()


def demand(schema: dict[str, Any]) -> str:
    """What a value must be, in words."""
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return " or ".join(demand(option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(shown(value) for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "object":
        return "a section with " + (", ".join(schema.get("properties", [])) or "an entry for each name")
    if schema["type"] in ("integer", "number"):
        return _number_demanded(schema)
    if "prefixItems" in schema:
        return "a list of " + ", ".join(demand(item) for item in schema["prefixItems"])
    if schema["type"] == "array":
        return "a list of " + {"string": "names", "integer": "whole numbers"}[schema["items"]["type"]]
    return {"string": "a name", "boolean": "true or false", "null": "null"}[schema["type"]]


def _number_demanded(schema: dict[str, Any]) -> str:
    """`a whole number of at least 1 and less than 10`."""
    bounds = {
        "minimum": "of at least",
        "exclusiveMinimum": "greater than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    limits = " and ".join(f"{words} {schema[bound]}" for bound, words in bounds.items() if bound in schema)
    return f"{kind} {limits}" if limits else kind


def shown(value: Any) -> str:
    """A value as YAML has it, on one line."""
    return json.dumps(value, ensure_ascii=False, default=str).replace('"', "'")
