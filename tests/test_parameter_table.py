"""docs/parameters.md is what the schema says."""

from pathlib import Path

from tinyres.cli.parameter_table import PAGE, page, parameters
from tinyres.params import flat, load_yaml

ROOT = Path(__file__).resolve().parents[1]
CONTENT = load_yaml(ROOT / "params.yaml")


def test_the_committed_page_is_current():
    """`tinyres parameters` makes it again."""
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(ROOT / "params.yaml")


def test_every_value_of_the_file_has_a_row_with_what_it_takes_and_means():
    rows = {each.name: each for each in parameters(CONTENT)}
    named = {
        name.replace("models.baseline.", "models.<name>.") for name in flat(CONTENT) if "models.modified" not in name
    }
    assert all(any(name == row or name.startswith(f"{row}.") for row in rows) for name in named)
    assert len(rows) > 60
    assert all(each.takes and each.meaning for each in rows.values())


def test_a_parameter_shows_every_value_that_it_has_among_the_models():
    (kernel,) = [each for each in parameters(CONTENT) if each.name == "models.<name>.stem.kernel"]
    assert kernel.value == [7, 3]


def test_a_section_that_may_be_null_is_one_row_where_it_is():
    content = CONTENT | {"evaluate": CONTENT["evaluate"] | {"reference": None}}
    (reference,) = [each for each in parameters(content) if each.name.startswith("evaluate.reference")]
    assert reference.value == [None]
