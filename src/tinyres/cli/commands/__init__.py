"""One module per subcommand of `tinyres`, each with `add`, which declares its arguments, and `run`.

`run` imports what it needs itself, since MLflow and torch take seconds that `tinyres --help` should not.
"""

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The collection to which `add` adds a command's parser."""
