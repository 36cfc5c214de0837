"""The array types that the rest of the package speaks of, and what is asked of arrays everywhere."""

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core

FloatArray = NDArray[Any]
"""float32 or float64; inside the reference engine also complex128, for complex-step differences."""
IntArray = NDArray[np.int32]
"""Indices of nodes, edges or parameters."""
MAX_INDEX = 2**31 - 2
"""The largest of these that the core counts up to."""

LINE, LARGE = 64, 1 << 18


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """Room for numbers, which begins with a line of the cache if it is large: NumPy's own begins 16 bytes after one, so
    that every other register's worth lies across two."""
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    room = np.empty(size + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + size].view(dtype).reshape(shape)


def checksum(*arrays: NDArray[Any]) -> int:
    """To tell whether these are the arrays of before."""
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, found)
    return found


def all_finite(array: FloatArray) -> bool:
    """Whether a contiguous array of float32 or float64 holds no NaN and no infinity."""
    return _core.all_finite32(array) if array.itemsize == 4 else _core.all_finite64(array)


def shuffled(rows: NDArray[np.int64], seed: int, epoch: int, part: int = 0) -> NDArray[np.int64]:
    """The same rows in a random order that these numbers decide; see src/native/shuffle.hpp."""
    order = rows.copy()
    _core.shuffle(order, seed % 2**64, epoch, part)
    return order
