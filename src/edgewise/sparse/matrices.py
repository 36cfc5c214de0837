"""Networks from matrices of weights: layers that were pruned elsewhere."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edgewise.errors import FormatError, GraphError, MissingDependencyError
from edgewise.network import Network


def from_matrices(
    weights: Sequence[Any],
    biases: Sequence[ArrayLike | None] | None = None,
    *,
    masks: Sequence[ArrayLike | None] | None = None,
    activation: str = "relu",
    output_activation: str = "identity",
    dtype: DTypeLike | None = None,
) -> Network:
    """A layered network from its matrices; what is 0 in them is an arc that is not there.

    weights : for each layer an (n_out, n_in) array, or a SciPy sparse matrix, whose stored entries are the arcs.
    biases : for each layer (n_out,), or None for 0.
    masks : for each layer (n_out, n_in), not 0 where there is an arc, whatever its weight; or None.
    dtype : None for float32 if the first matrix is so, else float64.

    Nodes are numbered layer by layer, inputs first. `Places(np.repeat(range(L + 1), sizes), [(0, 1), (1, 2), …])` are
    their places also where pruning has left neurons without arcs. GraphError if the shapes do not follow each other.
    """
    if not len(weights):
        raise GraphError("give at least one matrix of weights")
    for what, given in (("biases", biases), ("masks", masks)):
        if given is not None and len(given) != len(weights):
            raise GraphError(f"{len(weights)} matrices and {len(given)} {what}; give one for each, or None")
    layers = [_arcs(w, None if masks is None else masks[k], k) for k, w in enumerate(weights)]
    sizes = [layers[0][0][1], *(shape[0] for shape, *_ in layers)]
    for k, (shape, *_) in enumerate(layers):
        if shape[1] != sizes[k]:
            raise GraphError(
                f"weights[{k}] is {shape}, but the layer before it has {sizes[k]} nodes: {sizes[k]} columns"
            )
    first = np.concatenate([[0], np.cumsum(sizes)])
    bias = np.zeros(first[-1])
    for k, given_bias in enumerate(biases or ()):
        if given_bias is None:
            continue
        own = np.asarray(given_bias)
        if own.shape != (sizes[k + 1],) or own.dtype.kind not in "fiu":
            raise GraphError(f"biases[{k}] has shape {own.shape}; the layer needs ({sizes[k + 1]},) numbers")
        bias[first[k + 1] : first[k + 2]] = own
    used = dtype or (np.float32 if getattr(weights[0], "dtype", None) == np.float32 else np.float64)
    return Network(
        np.concatenate([first[k] + column for k, (_, _, column, _) in enumerate(layers)]),
        np.concatenate([first[k + 1] + row for k, (_, row, _, _) in enumerate(layers)]),
        np.concatenate([weight for *_, weight in layers]),
        bias=bias,
        activation=[activation] * int(first[-2]) + [output_activation] * sizes[-1],
        inputs=np.arange(sizes[0]),
        outputs=np.arange(first[-2], first[-1]),
        dtype=used,
    )


def _arcs(
    given: Any, mask: ArrayLike | None, k: int
) -> tuple[tuple[int, ...], NDArray[np.intp], NDArray[np.intp], NDArray[Any]]:
    """Shape, rows, columns and weights of a matrix's arcs."""
    if hasattr(given, "tocoo"):  # SciPy's, without importing it
        if mask is not None:
            raise GraphError(f"weights[{k}] is a sparse matrix, which says itself where arcs are: give no mask")
        stored = given.tocsr().tocoo()  # each place once
        return given.shape, stored.row.astype(np.intp), stored.col.astype(np.intp), stored.data
    matrix = np.asarray(given)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or 0 in matrix.shape:
        raise GraphError(f"weights[{k}] has shape {matrix.shape}; each must be an (n_out, n_in) matrix of numbers")
    there = matrix if mask is None else np.asarray(mask)
    if there.shape != matrix.shape:
        raise GraphError(f"masks[{k}] has shape {there.shape}, weights[{k}] {matrix.shape}; they must be alike")
    row, column = np.nonzero(there)
    return matrix.shape, row, column, matrix[row, column]


def load_matrices(
    path: str | PathLike[str],
    *,
    activation: str = "relu",
    output_activation: str = "identity",
    dtype: DTypeLike | None = None,
) -> Network:
    """`from_matrices` of a .npz or .safetensors file that names its arrays as PyTorch's state dicts do.

    Layers are called by whatever stands before ".weight", in the order of the numbers in it ("0.weight", "2.weight",
    "10.weight"; "fc1.weight"). Beside it may be ".bias" and ".weight_mask"; what torch.nn.utils.prune keeps as
    ".weight_orig" counts as the weight. Nothing in the file is executed. FormatError if it does not hold that.
    """
    where = Path(path)
    arrays = _read(where)
    weights, biases, masks = [], [], []
    for name in sorted((n for n in arrays if re.search(r"(^|\.)weight(_orig)?$", n)), key=_natural):
        before = re.sub(r"weight(_orig)?$", "", name)
        if name.endswith("weight") and f"{before}weight_orig" in arrays:
            continue
        weights.append(arrays[name])
        biases.append(arrays.get(f"{before}bias"))
        masks.append(arrays.get(f"{before}weight_mask"))
    if not weights:
        raise FormatError(f"{where} holds no array called …weight; it has {', '.join(sorted(arrays)[:8]) or 'none'}")
    try:
        return from_matrices(
            weights, biases, masks=masks, activation=activation, output_activation=output_activation, dtype=dtype
        )
    except GraphError as error:
        raise GraphError(f"{where}: {error}") from None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read(where: Path) -> dict[str, NDArray[Any]]:
    suffix = where.suffix.lower()
    if suffix not in (".npz", ".safetensors"):
        raise FormatError(f"{where}: matrices are read from .npz or .safetensors files")
    try:
        if suffix == ".npz":
            with np.load(where, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        try:
            import safetensors.numpy
        except ImportError:
            raise MissingDependencyError("safetensors", "safetensors", "a .safetensors file") from None
        found: dict[str, NDArray[Any]] = safetensors.numpy.load(where.read_bytes())
        return found
    except MissingDependencyError:
        raise
    except Exception as error:  # what a damaged archive raises is promised by nobody
        raise FormatError(f"{where} cannot be read: {error}") from None
