"""One module per command of `tinyres`: what it is asked with, and what it does.

Each has `add(commands)`, which declares it. What a command needs is imported when it runs: MLflow and torch take
seconds, which `tinyres --help` can do without.
"""

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command declares itself."""
