"""The command line: what `--help` prints."""

import pytest

from tinyres.cli.main import COMMANDS, parser

NAMES = [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_help_is_readable_as_printed(name, capsys):
    """argparse formats `%` in the help of an argument but not in a description."""
    with pytest.raises(SystemExit) as exit_:
        parser().parse_args([name, "--help"])
    assert exit_.value.code == 0
    assert "%%" not in capsys.readouterr().out
