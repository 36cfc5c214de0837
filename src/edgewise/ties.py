"""Ties: which edges share one weight, and which nodes one bias."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.arrays import MAX_INDEX, FloatArray, IntArray
from edgewise.errors import GraphError
from edgewise.plan import group_by


class Ties:
    """Of n places, edges or nodes, which share one of K parameters; each has its own if `index` is None."""

    def __init__(self, index: IntArray | None, n_places: int) -> None:
        self.index = index
        """(n,) the parameter of each place, numbered by first use"""
        self.n_parameters = n_places if index is None else int(index.max(initial=-1)) + 1
        self._n_places = n_places

    @cached_property
    def _groups(self) -> tuple[IntArray, IntArray]:
        """(start, place): place[start[k]:start[k+1]] share parameter k."""
        assert self.index is not None
        return group_by(self.index, self.n_parameters)

    @cached_property
    def first(self) -> IntArray:
        """(K,) the first place of each parameter, rising."""
        if self.index is None:
            return np.arange(self._n_places, dtype=np.int32)
        start, place = self._groups
        return place[start[:-1]]

    def once(self, array: FloatArray) -> FloatArray:
        """(..., K) of (..., n), what is said of a parameter being said of each of its places."""
        return array if self.index is None else array[..., self.first]

    def spread(self, parameters: FloatArray) -> FloatArray:
        """(..., n) of (..., K): the way back."""
        return parameters if self.index is None else parameters[..., self.index]

    def apart(self, array: FloatArray) -> tuple[int, int] | None:
        """Two places that share a parameter where (n,) numbers differ; None if there are none."""
        if self.index is None:
            return None
        differ = np.flatnonzero(array != self.spread(self.once(array)))
        return (int(self.first[self.index[differ[0]]]), int(differ[0])) if len(differ) else None

    def total(self, gradient: FloatArray) -> FloatArray:
        """(..., n) with every place given the sum over those that share its parameter."""
        if self.index is None:
            return gradient
        start, place = self._groups
        return self.spread(np.add.reduceat(gradient[..., place], start[:-1], axis=-1))


def read(given: ArrayLike | None, n_places: int, what: str, per: str, alone: NDArray[np.bool_] | None = None) -> Ties:
    """Ties from a caller's numbers, of which equal ones are tied; places that are `alone` share with nobody.

    GraphError if they are not one whole number ≥ 0 for each place.
    """
    if given is None:
        return Ties(None, n_places)
    array = np.asarray(given)
    if array.shape != (n_places,) or (array.dtype.kind not in "iu" and array.size):
        raise GraphError(f"{what} must hold one whole number per {per}, ({n_places},), not shape {array.shape}")
    if array.size and (array.min() < 0 or array.max() > MAX_INDEX):
        raise GraphError(f"{what} holds a parameter index that is negative or too large; count from 0")
    if alone is not None and alone.any():
        array = array.astype(np.int64)
        array[alone] = MAX_INDEX + 1 + np.arange(int(alone.sum()))
    _, first, inverse = np.unique(array, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    index: IntArray = rank[inverse.reshape(-1)]
    index.flags.writeable = False
    return Ties(index, n_places)
