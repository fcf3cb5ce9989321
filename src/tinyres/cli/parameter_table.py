"""docs/parameters.md: every parameter of `params.yaml` in one table, made from the schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyres.params import Params, demand, load_yaml, shown

PAGE = Path("docs/parameters.md")
HEAD = """\
# Parameters

Every value of the root's `params.yaml`, from the schema that checks it (`src/tinyres/params/schema.py`). Each can be
changed for one experiment, `dvc exp run -S lr=0.01 -S augment.online.cutmix=1`. Values that do not fit, that contradict
each other or that name what does not exist are refused before the first stage does anything, with a line for each.
`-S` leaves its values in `params.yaml`; `git checkout params.yaml` goes back.

A misspelt name is answered by DVC, before tinyres is started: "Key 'learning_rate' is not in struct". Do not append it
with `+`, as that sentence advises; look its name up here. Names that look like numbers, dates or truth values need
quotes: `-S "subset.classes=['1','2']"`. Numbers are read as DVC reads them, by YAML 1.2: `042` is 42, `0o17` is 15,
`1:30` and `no` are text. This page is made by `tinyres parameters`.

| parameter | here | takes | meaning |
| --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Parameter:
    """One row."""

    name: str
    value: Any
    """In the params file; where several entries of one kind differ, all of them."""
    takes: str
    meaning: str


def page(file: Path) -> str:
    """The whole page for a params file, as Markdown."""
    rows = [
        f"| `{each.name}` | {_code(each.value)} | {_cell(each.takes)} | {_cell(each.meaning)} |\n"
        for each in parameters(load_yaml(file))
    ]
    return HEAD + "".join(rows)


def parameters(content: dict[str, Any]) -> Iterator[Parameter]:
    """Every parameter in the schema's order, with its value in `content`."""
    schema = Params.model_json_schema()
    yield from _parameters(schema, schema["$defs"], [content], "")


def _parameters(
    section: dict[str, Any], sections: dict[str, Any], contents: list[dict[str, Any]], prefix: str
) -> Iterator[Parameter]:
    for key, schema in section["properties"].items():
        name, values = prefix + key, [content[key] for content in contents]
        if entry_name := _section_name(schema.get("additionalProperties", {})):
            entries = [entry for value in values for entry in value.values()]
            yield from _parameters(sections[entry_name], sections, entries, f"{name}.<name>.")
        elif (inner_name := _section_name(schema)) and all(isinstance(value, dict) for value in values):
            yield from _parameters(sections[inner_name], sections, values, f"{name}.")
        else:
            yield Parameter(name, _distinct(values), demand(schema), schema.get("description", ""))


def _section_name(schema: dict[str, Any]) -> str | None:
    """The section that a parameter is, perhaps beside null."""
    options = [schema, *schema.get("anyOf", [])]
    return next((option["$ref"].rpartition("/")[2] for option in options if "$ref" in option), None)


def _distinct(values: list[Any]) -> list[Any]:
    return [value for number, value in enumerate(values) if value not in values[:number]]


def _code(values: list[Any]) -> str:
    return ", ".join(f"`{shown(value)}`" for value in values)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
