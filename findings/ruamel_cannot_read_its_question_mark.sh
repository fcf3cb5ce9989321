#!/usr/bin/env bash
# ruamel.yaml's safe dumper writes a text that begins with a question mark without quotes into a mapping in braces, and
# then refuses the file that it has written: `{pattern: ?0}`. Its C and its pure loader both fail; PyYAML quotes it.
#
# Versions: ruamel.yaml 0.19.1, PyYAML 6.0.3.
# Source: found by a property test that writes random parameters with ruamel.yaml and reads them back. In YAML 1.2 a
# plain scalar may begin with "?" only where a character follows that is safe in a flow collection, which the dumper
# observes and the parser does not: it takes the mark for the one of a complex key. In block style all is well.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'ruamel.yaml==0.19.1' 'pyyaml==6.0.3'

"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import ruamel.yaml
import yaml
from ruamel.yaml import YAML

value = {"pattern": "?0"}
seen = []
for pure in (True, False):
    text = io.StringIO()
    YAML(typ="safe", pure=pure).dump(value, text)
    try:
        read = YAML(typ="safe", pure=pure).load(text.getvalue())
    except ruamel.yaml.YAMLError as error:
        read = type(error).__name__
    seen.append((text.getvalue(), read))
other = yaml.safe_dump(value, default_flow_style=True)
print(f"ruamel.yaml {ruamel.yaml.__version__}: {seen}")
print(f"PyYAML {yaml.__version__}: {other!r} read as {yaml.safe_load(other)}")
if seen != [("{pattern: ?0}\n", "ParserError")] * 2 or yaml.safe_load(other) != value:
    sys.exit("The behaviour has changed.")
PYTHON
