"""Plain values against the schema: one sentence on what does not fit, with the parameter's name and what it takes."""

import json
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tinyres.common.errors import UserError, nearest
from tinyres.params.schema import Params


def validate_params(content: dict[str, Any], file: str = "params.yaml") -> Params:
    """Check plain values against the schema.

    Raises:
        UserError: one sentence on the first value that does not fit, and how many more there are.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        # Unknown names first: a misspelt parameter is also a missing one.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        sentences = list(dict.fromkeys(_sentence(problem, content) for problem in problems))
        more = f" ({len(sentences) - 1} more after this one)" if len(sentences) > 1 else ""
        raise UserError(f"{file}: {sentences[0]}{more}") from None


def _sentence(problem: ErrorDetails, content: dict[str, Any]) -> str:
    """Which parameter, what it is, and what to give in its place."""
    name, value, schema = _place(problem["loc"], content)
    full_name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        return f"unknown parameter {full_name!r}{nearest(str(problem['loc'][-1]), sorted(schema['properties']))}"
    if problem["type"] == "missing":
        return f"the parameter {full_name!r} is missing; restore it with `git checkout params.yaml`."
    if problem["type"] == "value_error":  # one of the validators above, in its own words
        reason = problem["msg"].removeprefix("Value error, ")
        if isinstance(value, dict):
            return f"{name}: {reason}." if name else f"{reason}."
        return f"{name} is {shown(value)}: {reason}."
    wanted = demand(schema)
    if problem["type"] == "finite_number":
        wanted = wanted.replace("a number", "a finite number")
    return f"{name} is {shown(value)}: give {wanted}."


def _place(location: tuple[int | str, ...], content: Any) -> tuple[str, Any, dict[str, Any]]:
    """The parameter that an error's location leads to: its name, its value, and what the schema says of it.

    A location may go on below the parameter, into an item of a list or a branch of a union.
    """
    schema, names = _schema(), []
    for part in location:
        inner = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
        if not inner or part not in content:
            break
        # A section that may also be null counts as the section.
        inner = next((option for option in inner.get("anyOf", []) if "$ref" in option), inner)
        schema = _schema()["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        content = content[part]
        names.append(str(part))
    return ".".join(names), content, schema


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
        bounds = {
            "minimum": "of at least",
            "exclusiveMinimum": "greater than",
            "maximum": "at most",
            "exclusiveMaximum": "less than",
        }
        limits = " and ".join(f"{words} {schema[bound]}" for bound, words in bounds.items() if bound in schema)
        return f"a {'whole ' * (schema['type'] == 'integer')}number {limits}".rstrip()
    if schema["type"] == "array":
        return "a list of " + {"string": "names", "integer": "whole numbers"}[schema["items"]["type"]]
    return {"string": "a name", "boolean": "true or false", "null": "null"}[schema["type"]]


def shown(value: Any) -> str:
    """A value as YAML has it, on one line."""
    return json.dumps(value, ensure_ascii=False, default=str).replace('"', "'")
