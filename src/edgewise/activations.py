"""The table of activations: Φ beside Φ′, with kinks, range and the largest gate.

Every Φ takes an array of any float dtype, or complex (for complex-step differences), and returns the same dtype; it is
right over the whole range of floats and keeps a NaN. (Engines call it with NumPy's floating-point warnings off.)

Φ′ is the gate; it is called with s and y = Φ(s) and uses whichever gives it exactly. The lecture's remark, that Φ′ can
be had from Φ alone, holds for the rows with `gate_from_value`; for the others two s with one Φ have different Φ′.

At a kink the row says which one-sided derivative is taken: relu′(0) = 0 and hard_tanh′(±1) = 1 as in the lecture
(PyTorch takes 0 at the ends of hard tanh), and abs′(0) = 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewise.arrays import FloatArray
from edgewise.errors import GraphError

ValueFunction = Callable[[FloatArray], FloatArray]
GateFunction = Callable[[FloatArray, FloatArray], FloatArray]

LEAKY_SLOPE = 0.01
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True, slots=True)
class Activation:
    """One row of the table."""

    name: str
    value: ValueFunction
    """Φ(s)"""
    gate: GateFunction
    """Φ′ from (s, Φ(s))"""
    range: tuple[float, float]
    """Infimum and supremum of Φ over the floats for which it is defined."""
    max_gate: float
    """Supremum of |Φ′|: a gate is closed when it is small beside this."""
    gate_from_value: bool
    """Whether Φ′(s) is a function of Φ(s) alone."""
    kinks: tuple[float, ...] = ()
    """Where Φ is not differentiable."""
    complex_step: bool = True
    """Whether `value` takes complex arrays, so that Im Φ(s + ih)/h is Φ′(s)."""

    @property
    def bounded(self) -> bool:
        """Whether Φ is bounded on both sides, so that large sums of either sign close its gate."""
        return all(map(math.isfinite, self.range))

    @property
    def rounds_to_closed(self) -> bool:
        """Whether Φ′ is 0 by rounding alone, Φ being bounded and without kinks."""
        return self.bounded and not self.kinks


# Comparisons look at the real part and keep s itself on the side where a NaN falls, so that NaN stays NaN.


def _magnitude(s: FloatArray) -> FloatArray:
    return np.where(s.real < 0, -s, s)


def _sigmoid(s: FloatArray) -> FloatArray:
    e = np.exp(-_magnitude(s))
    return np.where(s.real < 0, e, 1) / (1 + e)


def _relu(s: FloatArray) -> FloatArray:
    return np.where(s.real <= 0, 0, s)


def _clamp(s: FloatArray) -> FloatArray:
    return np.where(s.real > 1, 1, np.where(s.real < -1, -1, s))


def _elu(s: FloatArray) -> FloatArray:
    return np.where(s.real > 0, s, np.expm1(np.where(s.real > 0, 0, s)))


def _gelu(s: FloatArray) -> FloatArray:
    from scipy.special import erfc  # at first use: it would be a third of the import time

    return 0.5 * s * erfc(-s * math.sqrt(0.5))  # erfc keeps the left tail that 1 + erf loses


def _gelu_gate(s: FloatArray, y: FloatArray) -> FloatArray:
    from scipy.special import ndtr

    return ndtr(s) + s * np.exp(-0.5 * s * s) / math.sqrt(2 * math.pi)


def _silu_gate(s: FloatArray, y: FloatArray) -> FloatArray:
    p = _sigmoid(s)
    return p + y * (1 - p)


def _softplus(s: FloatArray) -> FloatArray:
    return _relu(s) + np.log1p(np.exp(-_magnitude(s)))


def _hat(s: FloatArray) -> FloatArray:
    return _relu(1 - _magnitude(s))


def _hat_gate(s: FloatArray, y: FloatArray) -> FloatArray:
    return np.where(np.abs(s) < 1, -np.sign(s), 0 * y)


def _inside_unit(s: FloatArray, y: FloatArray) -> FloatArray:
    return np.where(np.abs(s) > 1, 0, np.ones_like(s))


INF = math.inf
_ROWS = (
    # ---- the lecture's four ----
    Activation("sigmoid", _sigmoid, lambda s, y: y * (1 - y), (0, 1), 0.25, True),
    Activation("tanh", np.tanh, lambda s, y: 1 - y * y, (-1, 1), 1, True),
    Activation("relu", _relu, lambda s, y: (y > 0).astype(y.dtype), (0, INF), 1, True, (0.0,)),
    # Φ alone does not tell s = 1 (gate 1) from s = 5 (gate 0)
    Activation("hard_tanh", _clamp, _inside_unit, (-1, 1), 1, False, (-1.0, 1.0)),
    # ---- their relatives ----
    Activation("identity", lambda s: s, lambda s, y: np.ones_like(y), (-INF, INF), 1, True),
    Activation(
        "leaky_relu",
        lambda s: np.where(s.real > 0, s, LEAKY_SLOPE * s),
        lambda s, y: np.where(y > 0, 1, np.full_like(y, LEAKY_SLOPE)),
        (-INF, INF),
        1,
        True,
        (0.0,),
    ),
    Activation("elu", _elu, lambda s, y: np.where(y > 0, 1, y + 1), (-1, INF), 1, True),
    Activation(
        "selu",
        lambda s: SELU_SCALE * np.where(s.real > 0, s, SELU_ALPHA * _elu(s)),
        lambda s, y: np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
        (-SELU_SCALE * SELU_ALPHA, INF),
        SELU_SCALE * SELU_ALPHA,
        True,
        (0.0,),
    ),
    Activation("gelu", _gelu, _gelu_gate, (-0.16997120747990369, INF), 1.1289042671, False),
    Activation("silu", lambda s: s * _sigmoid(s), _silu_gate, (-0.27846454276107374, INF), 1.0998393194, False),
    Activation("softplus", _softplus, lambda s, y: -np.expm1(-y), (0, INF), 1, True),
    Activation(
        "softsign",
        lambda s: s / (1 + _magnitude(s)),
        lambda s, y: 1 / (1 + np.abs(s)) / (1 + np.abs(s)),  # (1 - |y|)², which would cancel for large s
        (-1, 1),
        1,
        True,
    ),
    Activation("clamped", _clamp, _inside_unit, (-1, 1), 1, False, (-1.0, 1.0)),
    Activation("hat", _hat, _hat_gate, (0, 1), 1, False, (-1.0, 0.0, 1.0)),
    Activation("gaussian", lambda s: np.exp(-s * s), lambda s, y: -2 * (s * y), (0, 1), math.sqrt(2 / math.e), False),
    # ---- elementary functions, for computational graphs ----
    Activation("exp", np.exp, lambda s, y: y, (0, INF), INF, True),
    Activation("log", np.log, lambda s, y: 1 / s, (-INF, INF), INF, True),
    Activation("sqrt", np.sqrt, lambda s, y: 0.5 / y, (0, INF), INF, True),
    Activation("square", lambda s: s * s, lambda s, y: 2 * s, (0, INF), INF, False),
    Activation("cube", lambda s: s * s * s, lambda s, y: 3 * s * s, (-INF, INF), INF, True),
    Activation("reciprocal", lambda s: 1 / s, lambda s, y: -y * y, (-INF, INF), INF, True),
    Activation("abs", _magnitude, lambda s, y: np.sign(s), (0, INF), 1, False, (0.0,)),
    Activation("sin", np.sin, lambda s, y: np.cos(s), (-1, 1), 1, False),
    Activation("cos", np.cos, lambda s, y: -np.sin(s), (-1, 1), 1, False),
)


# ---- as neat-python has them: scaled and cut off ----


def _cut(s: FloatArray, limit: float) -> FloatArray:
    return np.where(s.real > limit, limit, np.where(s.real < -limit, -limit, s))


def _within(s: FloatArray, limit: float) -> FloatArray:
    """1 where nothing is cut off, ends included, 0 elsewhere."""
    return np.where(np.abs(s) > limit, 0, np.ones_like(s))


def _neat_inverse(s: FloatArray) -> FloatArray:
    return np.where(s == 0, 0, 1 / s)


_NEAT_ROWS = (
    Activation(
        "neat_sin",
        lambda s: np.sin(_cut(5 * s, 60)),
        lambda s, y: 5 * np.cos(_cut(5 * s, 60)) * _within(s, 12),
        (-1, 1),
        5,
        False,
        (-12.0, 12.0),
    ),
    Activation(
        "neat_softplus",
        lambda s: 0.2 * np.log1p(np.exp(_cut(5 * s, 60))),
        lambda s, y: _sigmoid(5 * s) * _within(s, 12),
        (0, 0.2 * math.log1p(math.exp(60))),
        1,
        False,
        (-12.0, 12.0),
    ),
    Activation(
        "neat_lelu",
        lambda s: np.where(s.real > 0, s, 0.005 * s),
        lambda s, y: np.where(y > 0, 1, np.full_like(y, 0.005)),
        (-INF, INF),
        1,
        True,
        (0.0,),
    ),
    Activation("neat_inv", _neat_inverse, lambda s, y: -y * y, (-INF, INF), INF, True, (0.0,)),
    Activation(
        "neat_log",
        lambda s: np.log(np.where(s.real <= 1e-7, 1e-7, s)),
        lambda s, y: np.where(s <= 1e-7, 0, 1 / s),
        (math.log(1e-7), INF),
        1e7,
        False,
        (1e-7,),
    ),
    Activation(
        "neat_exp",
        lambda s: np.exp(_cut(s, 60)),
        lambda s, y: y * _within(s, 60),
        (math.exp(-60), math.exp(60)),
        math.exp(60),
        False,
        (-60.0, 60.0),
    ),
)

_table: dict[str, Activation] = {row.name: row for row in (*_ROWS, *_NEAT_ROWS)}

BUILTIN: tuple[str, ...] = tuple(_table)
"""Names of the activations that come with Edgewise, in table order."""


def names() -> tuple[str, ...]:
    """All names that a network may use, registered ones last."""
    return tuple(_table)


def get(name: str) -> Activation:
    """The row called `name`; GraphError listing the names if there is none."""
    try:
        return _table[name]
    except (KeyError, TypeError):
        raise GraphError(
            f"unknown activation {name!r}; use one of {', '.join(_table)}, "
            "or add your own with edgewise.activations.register(name, f, df)"
        ) from None


def register(
    name: str,
    f: ValueFunction,
    df: ValueFunction,
    *,
    range: tuple[float, float] = (-INF, INF),
    max_gate: float = INF,
) -> Activation:
    """Add an activation of your own: y = f(s), gate = df(s), both elementwise on arrays of any shape.

    The definition is checked on a few points: shapes must be kept. Registering a name again replaces it; the names
    that come with Edgewise cannot be replaced. A network file stores the name alone, so register before loading.
    """
    if name in BUILTIN:
        raise GraphError(f"the activation {name!r} comes with Edgewise and cannot be replaced; choose another name")
    if not isinstance(name, str) or not name:
        raise GraphError(f"an activation's name must be a non-empty str, not {name!r}")
    probe = np.array([[-0.5, 0.25, 2.0]])
    with np.errstate(all="ignore"):
        for label, function in (("f", f), ("df", df)):
            shape = np.shape(function(probe))
            if shape != probe.shape:
                raise GraphError(
                    f"activation {name!r}: {label} returned shape {shape} for an array of shape {probe.shape}; "
                    "it must work elementwise"
                )

    def value(s: FloatArray) -> FloatArray:
        return np.asarray(f(s), s.dtype)

    def gate(s: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray(df(s), s.dtype)

    row = Activation(name, value, gate, range, max_gate, gate_from_value=False, complex_step=False)
    _table[name] = row
    return row
