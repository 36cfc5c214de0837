"""The command line: train, predict, backprop, explain, report, derive, verify, info, convert, play; a file for
each, or for a few small ones.

Results go to stdout, with --json as one JSON document and nothing else. An error is one line on stderr and exit code
2; `verify` exits with 1 when the computations disagree.
"""

from edgewise.cli import train, predict, backprop, explain, report, derive, networks, play  # noqa: I001  # in the order in which --help shows them
from edgewise.cli.app import app

__all__ = ["app", "backprop", "derive", "explain", "networks", "play", "predict", "report", "train"]
