#!/usr/bin/env bash
# Reading a Parquet file with the filter label != "seal" drops the pictures without a label; with label not in
# ["seal"] they stay. pandas itself keeps them in both.
#
# Versions: pandas 3.1.1, pyarrow 26.0.1.
# Source: found by giving both filters to `pandas.read_parquet` on a table with gaps. They become pyarrow expressions
# (`filters_to_expression` in `pyarrow/parquet/core.py`): a comparison with a gap is a gap, which the scan counts as
# no, while "not in" is the reverse of "is in", which is never a gap. A NaN in a column of numbers is stored as a gap
# too. Two spellings of one selection so make two training sets.

set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pandas==3.1.1' 'pyarrow==26.0.1' 'numpy==2.4.6'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import pandas as pd
import pyarrow

print("pandas", pd.__version__, "pyarrow", pyarrow.__version__)
table = pd.DataFrame({"picture": [0, 1, 2], "label": ["seal", None, "whale"], "weight": [1.0, float("nan"), 3.0]})
table.to_parquet("pictures.parquet")
selected = {}
for column, value in (("label", "seal"), ("weight", 1.0)):
    for condition in ((column, "!=", value), (column, "not in", [value])):
        selected[column, condition[1]] = pd.read_parquet("pictures.parquet", filters=[condition])["picture"].tolist()
        print("read_parquet with", condition, "->", selected[column, condition[1]])
    in_memory = table.query(f"{column} != {value!r}")["picture"].tolist()
    print(f"pandas' query {column} != {value!r} ->", in_memory)
    selected[column, "pandas"] = in_memory

if any(found != ([2] if how == "!=" else [1, 2]) for (_, how), found in selected.items()):
    sys.exit("The behaviour has changed: the two filters select alike.")
PYTHON
