"""The table of aggregations: how the terms w_ij·y(i) of a node's in-arcs become one number, beside its derivative.

Terms come as an (E, B) array in which the in-arcs of each head stand together; `start` holds the first row of each of
the n heads, every head having at least one. `value` gives (n, B); `slope`, (E, B) or what broadcasts to it, is the
derivative of that value with respect to each term. A head without in-arcs aggregates to 0, whatever the row.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.errors import GraphError

Starts = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One row of the table."""

    name: str
    value: Callable[[FloatArray, Starts], FloatArray]
    slope: Callable[[FloatArray, Starts], FloatArray]


def _counts(terms: FloatArray, start: Starts) -> NDArray[np.intp]:
    return np.diff(start, append=len(terms))


def _sum(terms: FloatArray, start: Starts) -> FloatArray:
    return np.add.reduceat(terms, start, axis=0)


def _sum_slope(terms: FloatArray, start: Starts) -> FloatArray:
    return np.ones((1, 1), terms.dtype)


def _mean(terms: FloatArray, start: Starts) -> FloatArray:
    return _sum(terms, start) / _counts(terms, start)[:, None].astype(terms.real.dtype)


def _mean_slope(terms: FloatArray, start: Starts) -> FloatArray:
    counts = _counts(terms, start)
    return np.repeat(1 / counts.astype(terms.real.dtype), counts)[:, None]


def _product(terms: FloatArray, start: Starts) -> FloatArray:
    return np.multiply.reduceat(terms, start, axis=0)


def _product_slope(terms: FloatArray, start: Starts) -> FloatArray:
    # The product of the other factors, as those before times those after: right with zero factors too.
    counts = _counts(terms, start)
    slope = np.ones_like(terms)
    last = start + counts - 1
    before = np.ones((len(start), terms.shape[1]), terms.dtype)
    after = before.copy()
    for k in range(int(counts.max(initial=0)) - 1):
        longer = counts > k + 1
        here, mirrored = start[longer] + k, last[longer] - k
        before[longer] *= terms[here]
        after[longer] *= terms[mirrored]
        slope[here + 1] *= before[longer]
        slope[mirrored - 1] *= after[longer]
    return slope


def _first_largest(keys: FloatArray, start: Starts) -> NDArray[np.intp]:
    """(n, B) row of the first largest key of each head; a NaN counts as largest."""
    largest = np.repeat(np.maximum.reduceat(keys, start, axis=0), _counts(keys, start), axis=0)
    rows = np.arange(len(keys))[:, None]
    candidates = np.where((keys == largest) | np.isnan(keys), rows, len(keys))
    return np.minimum.reduceat(candidates, start, axis=0)


def _selecting(name: str, key: Callable[[FloatArray], FloatArray]) -> Aggregation:
    """The aggregation that passes on the first term with the largest key; that arc takes all of the derivative."""

    def value(terms: FloatArray, start: Starts) -> FloatArray:
        return np.take_along_axis(terms, _first_largest(key(terms.real), start), axis=0)

    def slope(terms: FloatArray, start: Starts) -> FloatArray:
        result = np.zeros_like(terms)
        np.put_along_axis(result, _first_largest(key(terms.real), start), 1, axis=0)
        return result

    return Aggregation(name, value, slope)


def _middle_rows(terms: FloatArray, start: Starts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(n, B) rows of the lower and the upper middle term of each head, equal terms in arc order."""
    counts = _counts(terms, start)
    owner = np.repeat(np.arange(len(start)), counts)
    by_key = np.argsort(terms.real, axis=0, kind="stable")
    by_owner = np.argsort(owner[by_key], axis=0, kind="stable")
    rows = np.take_along_axis(by_key, by_owner, axis=0)
    return rows[start + (counts - 1) // 2], rows[start + counts // 2]


def _median(terms: FloatArray, start: Starts) -> FloatArray:
    lower, upper = _middle_rows(terms, start)
    middle = (np.take_along_axis(terms, lower, axis=0) + np.take_along_axis(terms, upper, axis=0)) / 2
    has_nan = np.logical_or.reduceat(np.isnan(terms), start, axis=0)
    return np.where(has_nan, np.nan, middle).astype(terms.dtype, copy=False)


def _median_slope(terms: FloatArray, start: Starts) -> FloatArray:
    slope = np.zeros_like(terms)
    columns = np.arange(terms.shape[1])
    for rows in _middle_rows(terms, start):
        slope[rows, columns] += 0.5
    return slope


_TABLE = {
    row.name: row
    for row in (
        Aggregation("sum", _sum, _sum_slope),
        Aggregation("product", _product, _product_slope),
        _selecting("max", lambda terms: terms),
        _selecting("min", lambda terms: -terms),
        Aggregation("mean", _mean, _mean_slope),
        _selecting("maxabs", np.abs),
        Aggregation("median", _median, _median_slope),
    )
}

NAMES: tuple[str, ...] = tuple(_TABLE)


def get(name: str) -> Aggregation:
    """The row called `name`; GraphError listing the names if there is none."""
    try:
        return _TABLE[name]
    except (KeyError, TypeError):
        raise GraphError(f"unknown aggregation {name!r}; use one of {', '.join(_TABLE)}") from None
