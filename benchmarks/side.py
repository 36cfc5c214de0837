"""One side of a comparison: a library doing a row's work in its own way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Side:
    """What is timed, and the numbers that must be the same on every side."""

    run: Callable[[], Any]
    """the timed work, done in full when it returns"""
    check: Callable[[], Mapping[str, NDArray[Any]]]
    """the numbers it comes to, by name, in the order that Edgewise gives them"""
    steps: int = 1
    """how often `run` does the row's work"""
    note: str = ""
    """which of several ways this is"""


def error(found: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]]) -> float:
    """The largest max|a-b| / max|b| over the quantities that both have; at least one must be."""
    both = found.keys() & wanted.keys()
    if not both:
        raise ValueError(f"nothing to compare: {sorted(found)} and {sorted(wanted)}")
    return max(_largest(np.asarray(found[name]), np.asarray(wanted[name]), name) for name in both)


def _largest(a: NDArray[Any], b: NDArray[Any], name: str) -> float:
    if a.shape != b.shape:
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape}")
    difference, size = np.abs(a.astype(np.float64) - b).max(initial=0), np.abs(b).max(initial=0)
    if not (np.isfinite(difference) and np.isfinite(size)):
        return float("inf")
    return float(difference / size) if size else float(difference)
