"""The command line: what `--help` prints, and what a table imports, which is most of its time."""

import re
import shlex
import subprocess
import sys

import pytest

from tinyres.cli.main import COMMANDS, parser

NAMES = [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS]


def help_of(*words: str, capsys) -> str:
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args([*words, "--help"])
    assert exit_.value.code == 0
    return capsys.readouterr().out


def examples_in(text: str) -> list[list[str]]:
    """The words of every tinyres command below `examples:`."""
    shown = text.partition("\nexamples:\n")[2].replace("\\\n", "")
    commands = (shlex.split(re.split(" [|>] ", line)[0], comments=True) for line in shown.splitlines())
    return [words for words in commands if words and words[0] == "tinyres"]


@pytest.mark.parametrize("name", NAMES)
def test_help_is_readable_as_printed(name, capsys, monkeypatch):
    """argparse formats `%` in the help of an argument but not in a description, and examples are not wrapped."""
    monkeypatch.setenv("COLUMNS", "100")
    text = help_of(name, capsys=capsys)
    assert "%%" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_help_says_what_it_does_and_shows_examples_that_the_command_line_takes(name, capsys):
    text = help_of(name, capsys=capsys)
    description = text.split("\n\n")[1]
    assert re.fullmatch(r"[A-Z].*\.", description, flags=re.S), "whole sentences"
    shown = examples_in(text)
    assert name in {words[1] for words in shown}
    for words in shown:
        parser().parse_args(words[1:])


def test_the_help_of_the_whole_shows_every_command_and_examples(capsys):
    text = help_of(capsys=capsys)
    for name in NAMES:
        assert re.search(rf"^    {name} +\S", text, flags=re.M), "the name and its help in one line"
    *shown, last = examples_in(text)
    assert shown
    for words in shown:
        parser().parse_args(words[1:])
    assert last[-1] == "--help"
    assert last[1] in NAMES


def test_a_table_imports_no_network_and_of_the_statistics_only_functions():
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from tinyres.evaluation import comparison, tables, uncertainty\n"
        "uncertainty.mean_interval(np.array([1.0, 2.0]))\n"
        "print(*sorted({'mlflow', 'torch', 'torchvision', 'matplotlib', 'scipy.stats'} & set(sys.modules)))\n"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["mlflow"]
