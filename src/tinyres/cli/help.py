"""How the command's help looks: paragraphs, and examples as they are typed."""

import argparse
from typing import Any


class HelpfulParser(argparse.ArgumentParser):
    """A parser in whose description and epilog an empty line ends a paragraph and an indented one stays as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"formatter_class": ParagraphFormatter} | options))


class ParagraphFormatter(argparse.HelpFormatter):
    """Wraps each paragraph by itself, and leaves alone those that contain an indented line.

    Commands are indented below their heading, which argparse forgets when it chooses the column of their help.
    """

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        for command in self._iter_indented_subactions(action):
            length = len(self._format_action_invocation(command)) + self._current_indent
            self._action_max_length = max(self._action_max_length, length)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        paragraphs = text.split("\n\n")
        return "\n\n".join(each if "\n  " in each else fill(each, width, indent) for each in paragraphs)


def examples(*commands: str) -> str:
    """Return an epilog, or its last paragraph, that shows commands as they are typed.

    Args:
        commands: a line each, with what it does behind `#`; long ones continue after a backslash.
    """
    return "\n".join(["examples:", *(f"  {command}" for command in commands)])
