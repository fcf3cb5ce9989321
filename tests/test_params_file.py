"""params.yaml as text: a spelling means to tinyres what it means to DVC, and what is no YAML is told in one line."""

import datetime
import shutil
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml as parsed_by_dvc

from tinyres.common.errors import UserError
from tinyres.params import load_yaml, parse_yaml, read_params

FILE = Path(__file__).parents[1] / "params.yaml"

SPELLINGS: list[tuple[str, Any]] = [
    # Whole numbers: a leading zero is no octal, and a colon no base of 60.
    *[("42", 42), ("042", 42), ("08", 8), ("-08", -8), ("+8", 8), ("00", 0), ("-0", 0), ("0o17", 15), ("-0o7", -7)],
    *[("0x1F", 31), ("0x_1f", 31), ("-0x1", -1), ("0b101", 5), ("0b1_0", 2), ("1_000", 1000), ("1_", 1), ("0_", 0)],
    *[("1:30", "1:30"), ("12:30:45", "12:30:45"), ("0o8", "0o8"), ("0x", "0x"), ("0b2", "0b2"), ("_1", "_1")],
    # Real numbers.
    *[
        ("0.5", 0.5),
        ("+.5", 0.5),
        ("-.5", -0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("09.5", 9.5),
        ("-0.0", -0.0),
        ("+1.5", 1.5),
    ],
    *[("1e-5", 1e-5), ("1E-5", 1e-5), ("1.e-5", 1e-5), ("1.0e-05", 1e-5), ("+1e-5", 1e-5), ("1e5", 1e5), ("1e+5", 1e5)],
    *[("5.e3", 5e3), ("1_0.5", 10.5), ("685_230.15", 685230.15), ("1e400", inf), (".5e3", ".5e3")],
    *[(".inf", inf), ("-.inf", -inf), ("+.inf", inf), (".INF", inf), (".nan", nan), (".NaN", nan), (".NAN", nan)],
    *[("inf", "inf"), ("nan", "nan"), ("-.nan", "-.nan"), ("1e", "1e"), ("1.2.3", "1.2.3"), ("1,000", "1,000")],
    *[("190:20:30.15", "190:20:30.15"), ("+.", "+."), ("+", "+"), ("１", "１")],
    # Truth values and null: `no` is a word.
    *[("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False)],
    *[
        ("yes", "yes"),
        ("no", "no"),
        ("No", "No"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("n", "n"),
        ("tRue", "tRue"),
    ],
    *[("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("nUll", "nUll"), ("None", "None")],
    # Dates, which JSON and so DVC's lock do not know.
    *[("2024-05-01", datetime.date(2024, 5, 1)), ("2024-05-01 12:00:00", datetime.datetime(2024, 5, 1, 12))],
    # Text, quoted or tagged.
    *[("'1'", "1"), ('"0.5"', "0.5"), ("'no'", "no"), ("!!str 1", "1"), ("!!int '3'", 3), ("!!float 1", 1.0)],
    *[
        ("all # of them", "all"),
        ("a#b", "a#b"),
        ("${lr}", "${lr}"),
        ("|\n  a\n  b", "a\nb\n"),
        (">\n  a\n  b", "a b\n"),
    ],
    # Lists and sections.
    *[("[1, '2', 03]", [1, "2", 3]), ("{a: 1, b: no}", {"a": 1, "b": "no"}), ("\n- 1\n- .5", [1, 0.5]), ("[]", [])],
    *[("{1: 2}", {1: 2}), ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}), ("[&x 1, *x]", [1, 1])],
]


@pytest.mark.parametrize(("text", "value"), SPELLINGS)
def test_a_spelling_means_what_it_means_to_dvc(text, value):
    content = f"value: {text}\n"
    for parse in (parse_yaml, parsed_by_dvc):
        # Their `repr` tells 1, 1.0 and True apart, and 0.0 and -0.0, and is the same for two NaNs.
        assert repr(parse(content, "params.yaml")["value"]) == repr(value), parse.__module__


def test_the_table_of_spellings_is_long_enough_to_be_trusted():
    assert len({text for text, _ in SPELLINGS}) >= 60


def edited(folder: Path, line: str, instead: str) -> Path:
    """A copy of the committed file with one line changed."""
    text = FILE.read_text(encoding="utf-8")
    assert line in text
    file = folder / "params.yaml"
    file.write_text(text.replace(line, instead, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(("text", "seed"), [("042", 42), ("08", 8), ("0o17", 15), ("1_000", 1000)])
def test_a_seed_is_the_one_that_dvc_records(tmp_path, text, seed):
    file = edited(tmp_path, "seed: 0", f"seed: {text}")
    assert read_params("seed", file=file).seed == seed
    assert parsed_by_dvc(file.read_text(encoding="utf-8"), file)["seed"] == seed


def test_a_seed_that_dvc_reads_as_text_is_refused_as_text(tmp_path):
    with pytest.raises(UserError, match="seed is '1:30': give a whole number"):
        read_params("seed", file=edited(tmp_path, "seed: 0", "seed: 1:30"))


@pytest.mark.parametrize("start", ["\ufeff", "---\n", "%YAML 1.2\n---\n", "# comment\r\n"])
def test_what_may_stand_before_the_parameters(tmp_path, start):
    file = edited(tmp_path, "seed: 0", "seed: 7")
    file.write_bytes((start + file.read_text(encoding="utf-8")).encode())
    assert read_params("seed", file=file).seed == 7


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"lr: [0.1\nseed: 0", "is not valid YAML (line 2: expected ',' or ']', but got ':'); correct that line."),
        (b"lr: 0.1\n\tseed: 0", r"is not valid YAML (line 2: found character '\t' that cannot start any token); "
         "correct that line."),
        (b"lr: 0.1\nseed: 0\nlr: 0.2", 'is not valid YAML (line 3: found duplicate key "lr" with value "0.2" '
         '(original value: "0.1")); correct that line.'),
        (b"lr: 0.1\n---\nlr: 0.2", "is not valid YAML (line 2: but found another document); correct that line."),
        (b"lr: @a", "is not valid YAML (line 1: found character '@' that cannot start any token); correct that line."),
        (b"lr: !!python/name:os.system", "is not valid YAML (line 1: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/name:os.system'); correct that line."),
        (b"lr: 2024-13-45", "is not valid YAML (month must be in 1..12); correct it."),
        (b"lr: 0.1\nname: caf\xe9", "is not UTF-8 text (line 2); save it in that encoding."),
        ("lr: 0.1".encode("utf-16"), "is not UTF-8 text (line 1); save it in that encoding."),
        (b"lr: \x00", 'is not valid YAML (unacceptable character #x0000: special characters are not allowed in '
         '"<unicode string>", position 4); correct it.'),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_one_line(tmp_path, content, told):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_yaml(file)
    assert str(caught.value) == f"{file} {told}"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed file in the working folder, for DVC to change as `dvc exp run -S` does."""
    shutil.copyfile(FILE, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def test_names_in_quotes_stay_names(study):
    apply_overrides(study, ["data.source=image_folder", "data.folder=pictures", "subset.classes=['1','02']"])
    assert read_params("subset", file=study).subset.classes == ["1", "02"]


def test_numbers_for_names_are_answered_with_the_quotes_to_write(study):
    apply_overrides(study, ["data.source=image_folder", "data.folder=pictures", "subset.classes=[1,2]"])
    with pytest.raises(UserError, match=r"YAML needs quotes here: \['1', '2'\]\."):
        read_params("subset", file=study)


def test_a_misspelt_name_is_answered_by_dvc_and_where_its_advice_is_taken_by_the_nearest_name(study):
    before = study.read_bytes()
    with pytest.raises(InvalidArgumentError):
        apply_overrides(study, ["learning_rate=0.1"])
    assert study.read_bytes() == before
    apply_overrides(study, ["+learning_rate=0.1"])
    with pytest.raises(UserError) as caught:
        read_params("lr", file=study)
    assert str(caught.value) == (
        "params.yaml: unknown parameter 'learning_rate'; did you mean 'lr'? "
        "To go back to the committed file: git checkout params.yaml"
    )
