"""Reading samples: what a caller hands in as x or as weights, as arrays that fit the network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.arrays import FloatArray, all_finite
from edgewise.errors import DataError

if TYPE_CHECKING:
    from edgewise.network import Network

Samples = ArrayLike | Mapping[str, ArrayLike]


def read(network: "Network", x: Samples, rows: NDArray[np.int64] | None = None) -> tuple[FloatArray, bool]:
    """x as a (B, n_inputs) array in the network's dtype, and whether it was one sample; DataError if it cannot be.

    rows : (B,) what the samples are called in that error, if not 0, 1, …
    """
    n_inputs = network.n_inputs
    if type(x) is np.ndarray and x.ndim == 2 and x.dtype == network.dtype and x.flags.c_contiguous:
        fits = x.shape[1] == n_inputs and len(x) > 0
        if fits and all_finite(x):
            return x, False  # as most are, and the rest costs as much as a small network's pass
    array = _from_names(network, x) if isinstance(x, Mapping) else _numbers(x, "x")
    one_sample = array.ndim == 1
    if array.ndim not in (1, 2) or array.shape[-1] != n_inputs:
        hint = ""
        if n_inputs == 1 and array.ndim == 1:
            hint = "; for several samples of one input use x[:, None]"
        elif array.ndim == 2 and array.shape[0] == n_inputs:
            hint = "; samples are rows: should it be x.T?"
        raise DataError(
            f"x has shape {array.shape}; the network's {n_inputs} inputs need (B, {n_inputs}), or ({n_inputs},) for "
            f"one sample{hint}"
        )
    if one_sample:
        array = array[None]
    if not len(array):
        raise DataError("x holds no samples; give at least one")
    if array.dtype != network.dtype or not array.flags.c_contiguous:
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, network.dtype)
    if not all_finite(array):
        b, k = np.argwhere(~np.isfinite(array))[0].tolist()
        sample = b if rows is None else int(rows[b])
        place = f"input {network.label(network.inputs[k])}" + ("" if one_sample else f" of sample {sample}")
        raise DataError(f"x is {array[b, k]} at {place} in {network.dtype}; every number must be finite")
    return array, one_sample


def _numbers(given: Any, what: str) -> FloatArray:
    try:
        array = given.toarray() if hasattr(given, "toarray") else np.asarray(given)  # SciPy's sparse matrices have it
    except ValueError:
        raise DataError(f"{what} is ragged: give every sample the same number of entries") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} has dtype {array.dtype}; it must hold real numbers")
    return array


def _from_names(network: "Network", x: Mapping[str, ArrayLike]) -> FloatArray:
    wanted = [network.names[j] for j in network.inputs.tolist()]
    missing = [name for name in wanted if name not in x]
    unknown = [name for name in x if name not in set(wanted)]
    if missing or unknown:
        problems = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
        problems += [f"has {', '.join(map(repr, unknown))}, not an input"] if unknown else []
        raise DataError(f"x {' and '.join(problems)}; the inputs are {', '.join(map(repr, wanted))}")
    columns = [_numbers(x[name], f"x[{name!r}]") for name in wanted]
    for name, column in zip(wanted, columns, strict=True):
        if column.ndim > 1:
            raise DataError(f"x[{name!r}] has shape {column.shape}; give one number, or one per sample")
    lengths = {name: len(c) for name, c in zip(wanted, columns, strict=True) if c.ndim == 1}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the inputs have different numbers of samples: {lengths}")
    if not lengths:
        return np.array([column.item() for column in columns], network.dtype)
    count = next(iter(lengths.values()))
    return np.stack([np.broadcast_to(column, count) for column in columns], axis=1)


def read_weights(sample_weight: ArrayLike, n_samples: int) -> FloatArray:
    """(B,) weights of samples, finite and ≥ 0; DataError if they are not."""
    weight = _numbers(sample_weight, "sample_weight").astype(np.float64)
    if weight.shape == () and n_samples == 1:
        weight = weight[None]
    if weight.shape != (n_samples,):
        raise DataError(f"sample_weight has shape {weight.shape}; {n_samples} samples need ({n_samples},)")
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(bad):
        raise DataError(f"sample_weight[{bad[0]}] = {weight[bad[0]]} is not a finite number ≥ 0")
    return weight
