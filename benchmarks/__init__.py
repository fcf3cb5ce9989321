"""Side-by-side measurements: `make bench`, or `PYTHONPATH=src python -m benchmarks [name ...]`."""

import tinyres  # noqa: F401  before torch, as in the stages: it decides how threads wait
