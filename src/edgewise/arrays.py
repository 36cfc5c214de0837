"""The array types that the rest of the package speaks of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]
"""float32 or float64; inside the reference engine also complex128, for complex-step differences."""
IntArray = NDArray[np.int32]
"""Indices of nodes, edges or parameters."""
