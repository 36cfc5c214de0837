"""Initial weights by fan-in and fan-out, for one (n_out, n_in) matrix or for the arcs of any graph.

fan_in of an edge is the number of in-arcs of its head, fan_out the number of out-arcs of its tail; in a full layer
these are the layer's widths. Every function takes a `numpy.random.Generator`, which alone decides the numbers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.errors import GraphError

if TYPE_CHECKING:
    from numpy.random import Generator  # which NumPy itself imports at first use

Fans = NDArray[np.float64]
Initializer = Callable[["Generator", Fans, Fans], FloatArray]


def _normal(variance: Callable[[Fans, Fans], Fans]) -> Initializer:
    return lambda rng, fan_in, fan_out: rng.standard_normal(fan_in.shape) * np.sqrt(variance(fan_in, fan_out))


def _uniform(variance: Callable[[Fans, Fans], Fans]) -> Initializer:
    # uniform on ±a has variance a²/3
    return lambda rng, fan_in, fan_out: rng.uniform(-1, 1, fan_in.shape) * np.sqrt(3 * variance(fan_in, fan_out))


_TABLE: dict[str, Initializer] = {
    "glorot_normal": _normal(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),  # Glorot & Bengio 2010
    "glorot_uniform": _uniform(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    "he_normal": _normal(lambda fan_in, fan_out: 2 / fan_in),  # He et al. 2015
    "he_uniform": _uniform(lambda fan_in, fan_out: 2 / fan_in),
    "lecun_normal": _normal(lambda fan_in, fan_out: 1 / fan_in),  # LeCun et al. 1998
    "lecun_uniform": _uniform(lambda fan_in, fan_out: 1 / fan_in),
    "normal": _normal(lambda fan_in, fan_out: np.full_like(fan_in, 0.05**2)),
    "uniform": _uniform(lambda fan_in, fan_out: np.full_like(fan_in, 0.05**2 / 3)),
    "zeros": lambda rng, fan_in, fan_out: np.zeros(fan_in.shape),
}

NAMES: tuple[str, ...] = (*_TABLE, "orthogonal")

_HE = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}
_LECUN = {"selu", "identity"}


def default_for(activation: str) -> str:
    """The customary initializer for an activation: He for the ReLU family, LeCun for selu, else Glorot."""
    return "he_normal" if activation in _HE else "lecun_normal" if activation in _LECUN else "glorot_uniform"


def of_matrix(name: str, rng: "Generator", n_out: int, n_in: int) -> FloatArray:
    """(n_out, n_in) initial weights of a full layer."""
    if name == "orthogonal":
        return _orthogonal(rng, n_out, n_in)
    return of_edges(name, rng, np.full((n_out, n_in), n_in), np.full((n_out, n_in), n_out))


def of_edges(name: str, rng: "Generator", fan_in: NDArray[np.integer], fan_out: NDArray[np.integer]) -> FloatArray:
    """Initial weights of edges, of the shape of fan_in and fan_out."""
    if name == "orthogonal":
        raise GraphError("orthogonal weights are those of a matrix: use them with full layers, or choose another")
    try:
        initializer = _TABLE[name]
    except (KeyError, TypeError):
        raise GraphError(f"unknown initializer {name!r}; use one of {', '.join(NAMES)}") from None
    return initializer(rng, fan_in.astype(np.float64), fan_out.astype(np.float64))


def _orthogonal(rng: "Generator", n_out: int, n_in: int) -> FloatArray:
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014), uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((max(n_out, n_in), min(n_out, n_in))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(q if n_out >= n_in else q.T)
