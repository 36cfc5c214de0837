"""Types of the compiled core; see src/native/bind.cpp."""

import numpy as np
from numpy.typing import NDArray

def group_by(key: NDArray[np.int32], n_keys: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def longest_path_levels(
    n_nodes: int, tail: NDArray[np.int32], head: NDArray[np.int32]
) -> tuple[NDArray[np.int32], int]: ...
def longest_path_to(
    order: NDArray[np.int32],
    out_start: NDArray[np.int32],
    out_edge: NDArray[np.int32],
    head: NDArray[np.int32],
    is_target: NDArray[np.bool_],
) -> NDArray[np.int32]: ...
