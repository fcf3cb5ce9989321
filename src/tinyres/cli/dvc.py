"""`python -m tinyres.cli.dvc …` is `dvc …`, also where the path of the repository has letters beyond ASCII.

DVC 3.67.1 writes the configuration of a temporary folder (`dvc exp run --temp`) without naming an encoding, and its
library ConfigObj then takes ASCII, so the path of the cache cannot be written.
"""

import sys
from typing import Any

from configobj import ConfigObj


def write_utf8() -> None:
    """Let ConfigObj read and write UTF-8 where no encoding is named."""
    initialise = ConfigObj.__init__

    def with_encoding(self: ConfigObj, *arguments: Any, **options: Any) -> None:
        if len(arguments) < 2 and options.get("encoding") is None:
            options.setdefault("default_encoding", "utf-8")
        initialise(self, *arguments, **options)

    ConfigObj.__init__ = with_encoding


if __name__ == "__main__":
    from dvc.cli import main

    write_utf8()
    sys.exit(main(sys.argv[1:]))
