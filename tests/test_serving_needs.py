"""A stored model's requirements are the packages that loading and running it imports."""

import subprocess
import sys

from imports import PACKAGE
from tinyres.tracking.store import SERVING_NEEDS

LISTED = """
import ast, sys
from importlib.metadata import packages_distributions
from pathlib import Path
import tinyres.cli.serving
files = [module.__file__ for name, module in sys.modules.items() if name.startswith("tinyres") and module.__file__]
found = set()
for node in (node for file in files for node in ast.walk(ast.parse(Path(file).read_text()))):
    if isinstance(node, ast.Import):
        found |= {alias.name.split(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
        found.add(node.module.split(".")[0])
distributions = packages_distributions()
for name in sorted(found - sys.stdlib_module_names - {"tinyres", "pydantic_core"}):  # pydantic brings its core
    print(min(distributions[name], key=len))
"""


def test_a_stored_model_asks_for_the_packages_that_it_imports():
    command = [sys.executable, "-c", LISTED]
    printed = subprocess.run(
        command, env={"PYTHONPATH": str(PACKAGE.parent)}, capture_output=True, text=True, check=True
    )
    assert set(printed.stdout.split()) == set(SERVING_NEEDS)
