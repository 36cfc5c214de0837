"""Adjacency matrices, dense or SciPy sparse: A[i, j] is the weight of the arc from node i to node j, so rows are tails.

(A layer's matrix in most frameworks is the other way round, rows being heads: its transpose is what is meant here.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgewise.description import Description, plain
from edgewise.errors import GraphError
from edgewise.names import Node
from edgewise.network import Network


def from_adjacency(
    matrix: Any,
    *,
    bias: ArrayLike = 0.0,
    activation: str | Sequence[str] = "relu",
    aggregation: str | Sequence[str] = "sum",
    response: ArrayLike = 1.0,
    inputs: Sequence[Node] | None = None,
    outputs: Sequence[Node] | None = None,
    names: Sequence[str] | None = None,
    dtype: str | None = None,
) -> Network:
    """The network with an adjacency matrix: rows are tails, columns are heads, A[i, j] = w_ij.

    Parameters
    ----------
    matrix : (N, N), dense or a SciPy sparse array or matrix of any format. Every entry that a sparse one holds is an
        arc, stored zeros too; those held twice for one place are summed, as SciPy does. In a dense one every entry
        that is not 0 is. Arcs are in the order of rows, then columns.
    dtype : None is the matrix's, if it is float32, else float64.

    The other arguments are those of `Network`. Raises GraphError for what cannot be one, such as a cycle: see
    `edgewise.feed_forward`.
    """
    n, tail, head, weight = arcs(matrix)
    return Network(
        tail,
        head,
        weight,
        bias=np.full(n, bias) if np.ndim(bias) == 0 else bias,  # which says how many nodes there are
        activation=activation,
        aggregation=aggregation,
        response=response,
        inputs=inputs,
        outputs=outputs,
        names=names,
        dtype=_dtype(weight) if dtype is None else dtype,
    )


def to_adjacency(network: Network, *, sum_parallel: bool = False) -> Any:
    """The (N, N) `scipy.sparse.csr_array` of the weights, A[i, j] = w_ij; arcs of weight 0 are stored.

    A matrix has one place for parallel arcs: they are refused with a GraphError unless they may be summed, which for
    aggregations other than sum is another network.
    """
    from scipy.sparse import coo_array

    n = network.n_nodes
    place = network.tail.astype(np.int64) * n + network.head
    if not sum_parallel and len(np.unique(place)) < len(place):
        ordered = np.argsort(place, kind="stable")
        e = int(ordered[1:][np.diff(place[ordered]) == 0][0])
        raise GraphError(
            f"several arcs go from {network.label(network.tail[e])} to {network.label(network.head[e])}, and a matrix "
            "has one place for them; sum_parallel=True adds their weights"
        )
    return coo_array((network.weight.copy(), (network.tail, network.head)), shape=(n, n)).tocsr()


def is_matrix(given: Any) -> bool:
    return hasattr(given, "tocoo") or (isinstance(given, np.ndarray) and given.ndim == 2)


def arcs(matrix: Any) -> tuple[int, Any, Any, Any]:
    """(N, tail, head, weight) of a matrix's entries, row by row."""
    if hasattr(matrix, "tocoo"):
        rows = matrix.tocsr(copy=True)
        rows.sum_duplicates()
        rows.sort_indices()
        shape = rows.shape
        tail = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(rows.indptr))
        head, weight = rows.indices.astype(np.int32), rows.data
    else:
        dense = np.asarray(matrix)
        shape = dense.shape
        if dense.ndim != 2 or dense.dtype.kind not in "fiub":
            raise GraphError(f"an adjacency matrix is (N, N) numbers, not {dense.dtype} of shape {shape}")
        tail, head = (place.astype(np.int32) for place in np.nonzero(dense))
        weight = dense[tail, head]
    if len(shape) != 2 or shape[0] != shape[1]:
        raise GraphError(f"the matrix has shape {shape}; an adjacency matrix is square, a row and a column per node")
    return shape[0], tail, head, weight


def describe(matrix: Any) -> Description:
    """A matrix as a description, cycles included: nodes called by their indices, with what is usual."""
    n, tail, head, weight = arcs(matrix)
    return plain(n, tail, head, weight, _dtype(weight))


def _dtype(weight: Any) -> str:
    return "float32" if weight.dtype == np.float32 else "float64"
