"""Side-by-side measurements: `make bench`, or `python -m benchmarks [name ...]`."""

import tinyres  # noqa: F401  before torch, as in the stages: it decides how threads wait
