"""The lemma, verified: every way to have the sensitivities and gradients, held against the recursion."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import activations, engine, losses, samples
from edgewise.arrays import FloatArray
from edgewise.engine import reference
from edgewise.errors import GraphError
from edgewise.names import Node
from edgewise.network import Network
from edgewise.paths import count_paths, iter_paths
from edgewise.results import BackwardPass

EXACT, DIFFERENCES, SINGLE = 1e-12, 1e-6, 1e-5
CHUNK = 1 << 20
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
"""Of central differences: rounding and truncation weigh the same (both about 1e-11)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with the recursion."""

    way: str
    """How the numbers were had a second time."""
    quantity: str
    compared: int
    """How many numbers; 0 if it was not done."""
    error: float | None
    """max|a − b| / max|b|, b the recursion's; None if it was not done."""
    tolerance: float
    note: str = ""
    """Why it was not done, or what part of it."""

    @property
    def ok(self) -> bool:
        """Whether the numbers agree; a comparison that was not done does not disagree."""
        return self.error is None or self.error <= self.tolerance


@dataclass(frozen=True, slots=True)
class Verification:
    """All comparisons; `print(report)` shows them as a table."""

    target: str
    n_samples: int
    rows: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return all(row.ok for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As data for JSON; the error is None, too, where numbers that are not finite disagree."""
        rows = [
            asdict(row) | {"error": row.error if row.error is not None and isfinite(row.error) else None, "ok": row.ok}
            for row in self.rows
        ]
        return {"target": self.target, "samples": self.n_samples, "ok": self.ok, "rows": rows}

    def __str__(self) -> str:
        heading = ("way", "quantity", "compared", "largest error", "")
        table = [heading]
        for row in self.rows:
            error = "-" if row.error is None else f"{row.error:.1e}"
            verdict = "not done" if row.error is None else "ok" if row.ok else f"MORE THAN {row.tolerance:.0e}"
            table.append((row.way, row.quantity, str(row.compared), error, f"{verdict}{row.note and ': '}{row.note}"))
        widths = [max(len(line[c]) for line in table) for c in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e}".rstrip()
            for a, b, c, d, e in table
        ]
        plural = "sample" if self.n_samples == 1 else "samples"
        title = f"The recursion for {self.target}, {self.n_samples} {plural}, beside other ways to the same numbers"
        return "\n".join([title, *lines])


def verify(
    net: Network,
    x: samples.Samples,
    target: Node | None = None,
    *,
    y: ArrayLike | None = None,
    loss: str | losses.Loss | None = None,
    max_paths: int = 100_000,
    max_parameters: int = 2_000,
    seed: int = 0,
) -> Verification:
    """Compare the recursion with path sums, differences, the decoupled network and every other engine.

    x, target, y, loss : as in `Network.backprop`.
    max_paths : paths are summed when there are at most so many from all nodes to the target together.
    max_parameters : differences are taken for at most so many weights, biases and inputs, drawn by `seed`.

    Differences are complex steps, exact to rounding, where every activation in use takes complex numbers; else
    central differences. The tolerance is 1e-12 (1e-5 in float32), and 1e-6 for central differences, relative to the
    largest of the numbers compared. Differences mean little at a kink: choose another x there. Path sums are of a
    node target; with a loss, J has no node, and they are left out.
    """
    array, _ = samples.read(net, x)
    objective: dict[str, Any] = {"target": target, "y": y, "loss": loss, "reduction": "sum"}
    bwd = net.backprop(array, **objective, engine="reference")
    if bwd.sensitivity.ndim != 2:
        raise GraphError("verify takes one target at a time")
    exact = EXACT if net.dtype == np.float64 else SINGLE
    node = None if loss is not None else int(net.outputs[0]) if target is None else net.node(target)
    name = "the loss" if node is None else net.names[node]
    rows = [
        _path_sum(net, bwd, node, max_paths, exact),
        *_differences(net, array, bwd, node, objective, max_parameters, seed),
        *_decoupled(net, array, bwd, node, objective, exact),
    ]
    if loss is not None:
        rows.append(_loss_differences(losses.get(loss), bwd, y, net.n_outputs))
    for other in engine.NAMES:
        if other != "reference":
            again = net.backprop(array, **objective, engine=other)
            rows += [
                _check(f"engine {other}", quantity, getattr(again, quantity), getattr(bwd, quantity), exact)
                for quantity in ("value", "sensitivity", "linear_sensitivity", "weight_gradient", "bias_gradient")
            ]
    return Verification(name, len(array), tuple(rows))


def _check(way: str, quantity: str, found: FloatArray, expected: FloatArray, tolerance: float, note: str = "") -> Check:
    found, expected = np.asarray(found), np.asarray(expected)
    if not expected.size:
        return Check(way, quantity, 0, None, tolerance, "there are none")
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        same = np.array_equal(found, expected, equal_nan=True)
        return Check(way, quantity, expected.size, 0.0 if same else inf, tolerance, "some are not finite")
    scale = float(np.abs(expected).max())
    error = float(np.abs(found - expected).max())
    return Check(way, quantity, expected.size, error / scale if scale > 0 else error, tolerance, note)


# ---- the sum over paths ----


def _path_sum(net: Network, bwd: BackwardPass, node: int | None, max_paths: int, tolerance: float) -> Check:
    way, quantity = "sum over paths", "sensitivity"
    if node is None:
        return Check(way, quantity, 0, None, tolerance, "the loss is not a node")
    total = 0
    for i in range(net.n_nodes):
        total += count_paths(net, i, node)
        if total > max_paths:
            return Check(way, quantity, 0, None, tolerance, f"there are more than {max_paths} paths")
    found = np.zeros_like(bwd.sensitivity)
    z = bwd.edge_derivative
    for i in range(net.n_nodes):
        for path in iter_paths(net, i, node):
            found[:, i] += z[:, list(path)].prod(axis=1)
    return _check(way, quantity, found, bwd.sensitivity, tolerance, f"{total} paths")


# ---- differences ----


def _differences(
    net: Network,
    x: FloatArray,
    bwd: BackwardPass,
    node: int | None,
    objective: dict[str, Any],
    max_parameters: int,
    seed: int,
) -> Iterator[Check]:
    """∂y(t)/∂p for weights, biases and inputs, each from passes in which p alone is moved."""
    wide = net.astype("float64", copy=False)
    complex_step = all(activations.get(name).complex_step for name in net.activation_names)
    way = "complex step" if complex_step else "central differences"
    tolerance = SINGLE if net.dtype != np.float64 else EXACT if complex_step else DIFFERENCES
    rng = np.random.default_rng(seed)
    untied = bwd if net.tie is None and net.bias_tie is None else _untied(net, x, objective)
    known = {
        "weight_gradient": untied.weight_gradient,
        "bias_gradient": untied.bias_gradient,
        "input_gradient": bwd.input_gradient,
    }
    movable = {
        "weight_gradient": np.arange(net.n_edges),
        "bias_gradient": np.flatnonzero(~net.is_input),
        "input_gradient": np.arange(net.n_inputs),
    }
    if node is None:
        used = losses.get(objective["loss"])
        seeds = used.gradient(bwd.output.astype(np.float64), used.check(objective["y"], net.n_outputs, len(x)))
    for quantity, which in movable.items():
        note = ""
        if len(which) > max_parameters:
            note = f"{max_parameters} of {len(which)}, drawn at random"
            which = np.sort(rng.choice(which, max_parameters, replace=False))
        found = np.zeros((len(x), len(which)))
        step = max(1, CHUNK // max(1, net.n_edges + net.n_nodes))
        for b in range(len(x)):
            for first in range(0, len(which), step):
                part = which[first : first + step]
                slopes = _slopes(wide, x[b].astype(np.float64), quantity, part, complex_step)
                # J enters by the chain rule; ∂J/∂output has a row of its own
                found[b, first : first + step] = slopes[node] if node is not None else seeds[b] @ slopes[net.outputs]
        if quantity == "input_gradient":
            yield _check(way, quantity, found, known[quantity][:, which], tolerance, note)
        else:
            yield _check(way, quantity, found.sum(axis=0), known[quantity][which], tolerance, note)


def _untied(net: Network, x: FloatArray, objective: dict[str, Any]) -> BackwardPass:
    """The pass in which every edge and node has its own gradient: differences move one at a time."""
    return net.replace(tie=None, bias_tie=None).backprop(x, **objective, engine="reference")


def _loss_differences(loss: losses.Loss, bwd: BackwardPass, y: Any, n_outputs: int) -> Check:
    """∂J/∂output against differences of J itself."""
    output = bwd.output.astype(np.float64)
    wanted = loss.check(y, n_outputs, len(output))
    found = np.empty_like(output)
    for k in range(n_outputs):
        h = STEP * np.maximum(1, np.abs(output[:, k]))
        above, below = output.copy(), output.copy()
        above[:, k] += h
        below[:, k] -= h
        found[:, k] = (loss.value(above, wanted) - loss.value(below, wanted)) / (above[:, k] - below[:, k])
    return _check("central differences", "∂J/∂output", found, loss.gradient(output, wanted), DIFFERENCES)


def _slopes(net: Network, x: FloatArray, quantity: str, part: NDArray[np.intp], complex_step: bool) -> FloatArray:
    """(N, len(part)) ∂y/∂p of every node for one sample, one column for each parameter p of `part`."""

    def values(step: Any) -> FloatArray:
        dtype: Any = np.complex128 if complex_step else np.float64
        columns = np.arange(len(part))
        weight = net.weight[:, None].astype(dtype)
        bias = net.bias[:, None].astype(dtype)
        inputs = np.broadcast_to(x, (len(part), net.n_inputs)).astype(dtype)
        if quantity == "weight_gradient":
            weight = np.repeat(weight, len(part), axis=1)
            weight[part, columns] += step
        elif quantity == "bias_gradient":
            bias = np.repeat(bias, len(part), axis=1)
            bias[part, columns] += step
        else:
            inputs[columns, part] += step
        return reference.run_forward(net, inputs, weight, bias).value

    if complex_step:
        h = 1e-30  # no difference is taken, so nothing cancels however small it is
        return values(1j * h).imag / h
    return (values(STEP) - values(-STEP)) / (2 * STEP)


# ---- the decoupled network ----


def _decoupled(
    net: Network,
    x: FloatArray,
    bwd: BackwardPass,
    node: int | None,
    objective: dict[str, Any],
    tolerance: float,
) -> Iterator[Check]:
    pair = net.decouple()
    target = None if node is None else int(pair.activation[node])
    split = pair.network.backprop(x, **(objective | {"target": target}), engine="reference")
    way = "decoupled network"
    neurons = ~net.is_input
    yield _check(way, "sensitivity", split.sensitivity[:, pair.activation], bwd.sensitivity, tolerance)
    yield _check(
        way,
        "linear_sensitivity",
        split.sensitivity[:, pair.linear[neurons]],
        bwd.linear_sensitivity[:, neurons],
        tolerance,
    )
    yield _check(way, "weight_gradient", split.weight_gradient[: net.n_edges], bwd.weight_gradient, tolerance)
