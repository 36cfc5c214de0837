"""Which rows are learnt from, and which are held out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import DataError


def split(
    n_rows: int, share: float, seed: int, labels: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row numbers of two parts, the second holding `share` of the rows; drawn from `seed`, each in ascending order.

    With labels, every class is divided in that share (largest remainders first), and keeps a row in the first part.
    """
    if not 0 < share < 1:
        raise DataError(f"a share of {share} leaves one part empty; it must lie between 0 and 1")
    generator = np.random.default_rng(seed)
    wanted = min(max(1, round(share * n_rows)), n_rows - 1)
    if labels is None:
        chosen = generator.permutation(n_rows)[:wanted]
    else:
        _, index, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
        exact = counts * share
        taken = np.minimum(np.floor(exact).astype(int), counts - 1)
        for k in np.argsort(taken - exact, kind="stable"):
            if taken.sum() < wanted and taken[k] < counts[k] - 1:
                taken[k] += 1
        chosen = np.concatenate([generator.permutation(np.flatnonzero(index == k))[:n] for k, n in enumerate(taken)])
    if len(chosen) == 0:
        raise DataError(f"too few rows ({n_rows}) to set a share of {share} aside with every class left to learn from")
    second = np.zeros(n_rows, bool)
    second[chosen] = True
    return np.flatnonzero(~second), np.flatnonzero(second)
