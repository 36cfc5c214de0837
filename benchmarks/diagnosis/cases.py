"""The labelled cases: networks and data drawn from a seed, each broken in one known way, or not at all.

A model is a list of steps, so that the same numbers make a network of Edgewise and a module of PyTorch. A label says
the cause, and the steps where it is. Whether a drawn case is what its label says is checked as it is made, by
arithmetic of its own, never by asking a tool.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SAMPLES, INPUTS, CLASSES = 256, 20, 4
STEPS, RATE = 20, 0.01
ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda s: s,
    "relu": lambda s: np.maximum(s, 0),
    "tanh": np.tanh,
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
    "hard_tanh": lambda s: np.clip(s, -1, 1),
    "leaky_relu": lambda s: np.where(s > 0, s, 0.01 * s),
    "elu": lambda s: np.where(s > 0, s, np.expm1(np.minimum(s, 0))),
    "softplus": lambda s: np.logaddexp(0, s),
    "log": np.log,
}
GAIN = {"relu": 2.0, "leaky_relu": 2.0, "elu": 1.5, "softplus": 1.0}
"""n times the variance of weights: He's for rectifiers, 1 for the others."""


@dataclass
class Dense:
    """Φ(W·h + b)"""

    weight: Floats  # (out, in)
    bias: Floats
    activation: str
    frozen: bool = False


@dataclass
class Residual:
    """h + W₂·Φ(W₁·h + b₁), or without the h"""

    first: Dense
    second: Dense
    skips: bool = True


Step = Dense | Residual


@dataclass
class Case:
    """One network with its data, and what is wrong with it: nothing, if cause is None."""

    kind: str
    seed: int
    steps: list[Step]
    x: Floats
    y: Any
    loss: str = "cross_entropy"
    cause: str | None = None
    symptom: tuple[str, ...] = ()
    """codes that name it"""
    where: tuple[int, ...] = ()
    """indices of the steps, -1 for the inputs"""
    rate: float = RATE
    n_steps: int = STEPS


@dataclass
class Draw:
    """What the cases of one seed are drawn from."""

    seed: int
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def dense(self, n_in: int, n_out: int, activation: str) -> Dense:
        deviation = np.sqrt(GAIN.get(activation, 1.0) / n_in)
        return Dense(self.rng.normal(0, deviation, (n_out, n_in)), np.zeros(n_out), activation)

    def mlp(self, activation: str, depth: int, width: int | None = None, n_out: int = CLASSES) -> list[Step]:
        width = int(self.rng.integers(24, 65)) if width is None else width
        sizes = [INPUTS, *[width] * depth]
        hidden: list[Step] = [self.dense(a, b, activation) for a, b in pairwise(sizes)]
        return [*hidden, self.dense(width, n_out, "identity")]

    def residual(self, activation: str, blocks: int, branch: float) -> list[Step]:
        width = int(self.rng.integers(24, 49))
        steps: list[Step] = [self.dense(INPUTS, width, "identity")]
        for _ in range(blocks):
            first, second = self.dense(width, width, activation), self.dense(width, width, "identity")
            second.weight *= branch
            steps.append(Residual(first, second))
        return [*steps, self.dense(width, CLASSES, "identity")]

    def data(self) -> tuple[Floats, NDArray[np.int64]]:
        """Inputs of size 1 and classes that a network can learn."""
        x = self.rng.normal(size=(SAMPLES, INPUTS))
        y = np.argmax(x @ self.rng.normal(size=(INPUTS, CLASSES)) + np.sin(x[:, :CLASSES]), axis=1)
        return x, y

    def case(self, kind: str, steps: list[Step], **label: Any) -> Case:
        x, y = self.data()
        return Case(kind, self.seed, steps, **({"x": x, "y": y} | label))

    def choose(self, *among: Any) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


def values(steps: list[Step], x: Floats) -> list[Floats]:
    """The values after every step, the inputs first."""
    found = [x]
    with np.errstate(all="ignore"):
        for step in steps:
            h = found[-1]
            if isinstance(step, Dense):
                found.append(_dense(step, h))
            else:
                found.append(_dense(step.second, _dense(step.first, h)) + (h if step.skips else 0))
    return found


def _dense(step: Dense, h: Floats) -> Floats:
    return ACTIVATIONS[step.activation](h @ step.weight.T + step.bias)


# ---- the kinds ----


def healthy(draw: Draw) -> Case:
    activation = draw.choose("relu", "tanh", "leaky_relu", "elu", "hard_tanh")
    return draw.case("healthy", draw.mlp(activation, draw.between(2, 10)))


def healthy_residual(draw: Draw) -> Case:
    return draw.case(
        "healthy_residual", draw.residual(draw.choose("relu", "tanh"), draw.between(3, 8), draw.choose(0.2, 0.5))
    )


def healthy_shallow(draw: Draw) -> Case:
    return draw.case(
        "healthy_shallow", draw.mlp(draw.choose("sigmoid", "tanh", "relu", "softplus"), draw.between(1, 2))
    )


def saturated_by_scale(draw: Draw) -> Case:
    steps = draw.mlp(draw.choose("tanh", "sigmoid", "hard_tanh"), draw.between(2, 3))
    at = draw.between(0, len(steps) - 2)
    step = steps[at]
    assert isinstance(step, Dense)
    step.weight *= draw.choose(15, 30, 60, 100)
    return draw.case("saturated_by_scale", steps, cause="gates", symptom=("saturated_units", "dead_units"), where=(at,))


def sigmoid_depth(draw: Draw) -> Case:
    depth = draw.between(6, 12)
    return draw.case(
        "sigmoid_depth",
        draw.mlp("sigmoid", depth),
        cause="gates",
        symptom=("vanishing_gradient",),
        where=tuple(range(depth)),
    )


def weights_too_small(draw: Draw) -> Case:
    """All of them, or those of one step."""
    depth = draw.between(4, 8)
    steps = draw.mlp(draw.choose("relu", "tanh", "leaky_relu", "elu"), depth)
    where = tuple(range(depth + 1)) if draw.seed % 2 else (draw.between(1, depth - 1),)
    for at in where:
        step = steps[at]
        assert isinstance(step, Dense)
        step.weight *= 0.1 if len(where) > 1 else 10 ** -draw.rng.uniform(3, 4)
    return draw.case("weights_too_small", steps, cause="weights", symptom=("vanishing_gradient",), where=where)


def weights_too_large(draw: Draw) -> Case:
    depth = draw.between(4, 8)
    steps = draw.mlp(draw.choose("relu", "leaky_relu", "elu"), depth)
    where = tuple(range(depth + 1)) if draw.seed % 2 else (draw.between(1, depth - 1),)
    for at in where:
        step = steps[at]
        assert isinstance(step, Dense)
        step.weight *= draw.rng.uniform(5, 10) if len(where) > 1 else 10 ** draw.rng.uniform(3, 4)
    return draw.case(
        "weights_too_large", steps, cause="weights", symptom=("exploding_gradient",), where=where, rate=1e-6
    )


def dead_by_bias(draw: Draw) -> Case:
    steps = draw.mlp("relu", draw.between(2, 6))
    at = draw.between(0, len(steps) - 2)
    step = steps[at]
    assert isinstance(step, Dense)
    case = draw.case("dead_by_bias", steps, cause="gates", symptom=("dead_units",), where=(at,))
    most = (values(steps[:at], case.x)[-1] @ step.weight.T).max()
    some = draw.rng.permutation(len(step.bias))[: int(draw.choose(0.7, 0.9, 1.0) * len(step.bias))]
    step.bias[some] = -most * draw.rng.uniform(1.5, 20)
    return case


def dead_by_learning_rate(draw: Draw) -> Case:
    """The smallest of ever larger rates with which most units of a level die on the way."""
    steps = draw.mlp("relu", draw.between(2, 4))
    case = draw.case("dead_by_learning_rate", steps, cause="gates", symptom=("dead_units",))
    for rate in 2.0 ** np.arange(-3, 12):
        shares = [0.0, *_dead_after(case, rate)]
        if max(shares) >= 0.7:  # where nothing arrives from the step before, that one is at fault
            where = [at for at in range(1, len(shares)) if shares[at] >= 0.5 and shares[at - 1] < 1]
            case.rate, case.where = float(rate), tuple(at - 1 for at in where)
            return case
    raise AssertionError(f"no rate kills the units of seed {draw.seed}")


def _dead_after(case: Case, rate: float) -> list[float]:
    """The share of dead units of every hidden step after training by plain gradient descent on all samples."""
    layers = [Dense(s.weight.copy(), s.bias.copy(), s.activation) for s in case.steps if isinstance(s, Dense)]
    onehot = np.eye(CLASSES)[case.y]
    for _ in range(case.n_steps):
        h = values(list(layers), case.x)
        if not np.isfinite(h[-1]).all():
            return []
        p = np.exp(h[-1] - h[-1].max(axis=1, keepdims=True))
        delta = (p / p.sum(axis=1, keepdims=True) - onehot) / len(case.x)
        for at in range(len(layers) - 1, -1, -1):
            layer = layers[at]
            gradient, bias = delta.T @ h[at], delta.sum(axis=0)
            delta = (delta @ layer.weight) * (h[at] > 0)
            layer.weight -= rate * gradient
            layer.bias -= rate * bias
    return [float((h <= 0).all(axis=0).mean()) for h in values(list(layers), case.x)[1:-1]]


def symmetric(draw: Draw) -> Case:
    depth = draw.between(1, 4)
    steps = draw.mlp(draw.choose("tanh", "relu", "sigmoid"), depth)
    for step in steps:
        assert isinstance(step, Dense)
        step.weight[:] = draw.choose(1.0, 0.5) / np.sqrt(step.weight.shape[1])
        step.bias[:] = 0.1
    return draw.case("symmetric", steps, cause="weights", symptom=("symmetric_units",), where=tuple(range(depth)))


def input_scale(draw: Draw) -> Case:
    """One input in other units, or all of them, or far from 0."""
    case = draw.case(
        "input_scale",
        draw.mlp(draw.choose("relu", "tanh", "elu"), draw.between(2, 4)),
        cause="data",
        symptom=("input_scales",),
        where=(-1,),
        rate=1e-8,
    )
    how = draw.seed % 3
    if how == 0:
        case.x[:, draw.between(0, INPUTS - 1)] *= 10 ** draw.rng.uniform(2.5, 4)
    elif how == 1:
        case.x *= 10 ** draw.rng.uniform(2.5, 3.5)
    else:
        case.x[:, draw.between(0, INPUTS - 1)] += 10 ** draw.rng.uniform(2.5, 3.5)
    return case


def missing_skip(draw: Draw) -> Case:
    steps = draw.residual(draw.choose("relu", "tanh"), draw.between(4, 8), 10 ** -draw.rng.uniform(2.5, 3.5))
    at = draw.between(1, len(steps) - 2)
    step = steps[at]
    assert isinstance(step, Residual)
    step.skips = False
    return draw.case("missing_skip", steps, cause="structure", symptom=("vanishing_gradient",), where=(at,))


def label_mismatch(draw: Draw) -> Case:
    """Targets in other units; targets the outputs cannot reach; probabilities where the loss reads logits."""
    depth, how = draw.between(1, 4), draw.seed % 3
    activation = draw.choose("relu", "tanh")
    if how == 0:
        steps = draw.mlp(activation, depth, n_out=1)
        case = draw.case("label_mismatch", steps, loss="squared_error", cause="data")
        case.y = 10 ** draw.rng.uniform(1.5, 3) + np.tanh(case.x @ draw.rng.normal(size=INPUTS))[:, None]
        case.symptom, case.rate = ("loss_far_from_chance",), 1e-5
    elif how == 1:
        steps = draw.mlp(activation, depth, n_out=1)
        last = steps[-1]
        assert isinstance(last, Dense)
        last.activation = draw.choose("sigmoid", "tanh", "relu")
        case = draw.case("label_mismatch", steps, loss="squared_error", cause="data", symptom=("output_mismatch",))
        case.y = draw.choose(-2.0, -5.0) + np.sin(case.x @ draw.rng.normal(size=INPUTS))[:, None]
    else:
        steps = draw.mlp(activation, depth)
        last = steps[-1]
        assert isinstance(last, Dense)
        last.activation = draw.choose("sigmoid", "tanh")
        case = draw.case("label_mismatch", steps, cause="structure", symptom=("output_mismatch",))
    case.where = (len(steps) - 1,)
    return case


def zeroed(draw: Draw) -> Case:
    steps = draw.mlp(draw.choose("relu", "tanh", "elu"), draw.between(2, 6))
    at = draw.between(0, len(steps) - 1)
    step = steps[at]
    assert isinstance(step, Dense)
    step.weight[:] = 0
    return draw.case("zeroed", steps, cause="weights", symptom=("zero_weights", "vanishing_gradient"), where=(at,))


def frozen(draw: Draw) -> Case:
    steps = draw.mlp(draw.choose("relu", "tanh", "elu"), draw.between(2, 6))
    at = draw.between(0, len(steps) - 1)
    step = steps[at]
    assert isinstance(step, Dense)
    step.frozen = True
    return draw.case("frozen", steps, cause="structure", symptom=("frozen_weights",), where=(at,))


def log_of_negative(draw: Draw) -> Case:
    steps = draw.mlp(draw.choose("relu", "tanh", "elu"), draw.between(2, 6))
    at = draw.between(0, len(steps) - 2)
    step = steps[at]
    assert isinstance(step, Dense)
    step.activation = "log"
    case = draw.case("log_of_negative", steps, cause="gates", symptom=("not_finite_value",), where=(at,))
    assert np.isfinite(values(steps[:at], case.x)[-1]).all()
    assert not np.isfinite(values(steps[: at + 1], case.x)[-1]).all()
    return case


HEALTHY = (healthy, healthy_residual, healthy_shallow)
BROKEN = (
    *(saturated_by_scale, sigmoid_depth, weights_too_small, weights_too_large, dead_by_bias, dead_by_learning_rate),
    *(symmetric, input_scale, missing_skip, label_mismatch, zeroed, frozen, log_of_negative),
)


def drawn(make: Callable[[Draw], Case], seed: int) -> Case:
    return make(Draw(seed))
