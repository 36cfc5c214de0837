"""Edgewise beside its peers, timed in one run on the same inputs: `python -m benchmarks --help`."""
