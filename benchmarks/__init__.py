"""Side-by-side measurements: `make bench`, or `PYTHONPATH=src python -m benchmarks [name ...]`."""
