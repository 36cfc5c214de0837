"""What the view is given: a network, its layout and a pass as plain data that JSON can hold, `schema` 1.

Arrays are packed, as base64 of their little-endian bytes: ``{"float32": "…", "shape": […]}``, or ``"float64"`` where
there are few numbers, or ``"int32"``. `web/arrays.js` reads them.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import activations
from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view.layout import layout

SCHEMA = 1
EXACT = 50_000
"""Up to so many numbers are packed as they are, in float64; larger arrays in float32."""

MOST_NODES, MOST_ARCS = 600, 6000
"""Up to so many nodes and arcs are drawn as a graph; larger networks as levels and matrices."""
SAMPLES, ROOM = 16, 300_000
"""Of how many samples a pass is shown, and how many numbers all its steps may have before there are fewer of them."""


def packed(array: ArrayLike) -> dict[str, Any]:
    """An array of numbers, of any shape, as `web/arrays.js` reads it."""
    given = np.asarray(array)
    if given.dtype.kind in "iub":
        kind, stored = "int32", given.astype("<i4")
    elif given.size <= EXACT and given.dtype != np.float32:
        kind, stored = "float64", given.astype("<f8")
    else:
        with np.errstate(over="ignore"):
            kind, stored = "float32", given.astype("<f4")
    return {kind: base64.b64encode(np.ascontiguousarray(stored).tobytes()).decode("ascii"), "shape": list(given.shape)}


def data(
    net: Network,
    steps: BackwardPass | Sequence[tuple[str, Network, BackwardPass]] | None = None,
    *,
    samples: int = SAMPLES,
    report: dict[str, Any] | None = None,
    live: bool = False,
) -> dict[str, Any]:
    """The trait `data` of a view: the network, and what else is to be shown with it; `steps` as `passes` takes them."""
    shown = None if steps is None else passes(net, steps, samples=samples)
    return {"schema": SCHEMA, "network": network(net), "pass": shown, "report": report, "live": live}


def network(net: Network) -> dict[str, Any]:
    """The part `network`: structure, parameters, and where everything is drawn.

    A large one has no `routes`: it is not drawn as a whole.
    """
    whole = net.n_nodes <= MOST_NODES and net.n_edges <= MOST_ARCS
    found: dict[str, Any] = {
        "names": list(map(_sound, net.names)),
        "tail": packed(net.tail),
        "head": packed(net.head),
        "weight": packed(net.weight),
        "bias": packed(np.where(net.is_input, 0, net.bias)),
        "response": packed(np.where(net.is_input, 1, net.response)),
        "activation": _table(net.activations, [_activation(name) for name in sorted(set(net.activations))]),
        "aggregation": _table(net.aggregations, sorted(set(net.aggregations))),
        "inputs": packed(net.inputs),
        "outputs": packed(net.outputs),
        "order": packed(net.plan.order),
        **(_laid_out(net) if whole else _in_levels(net)),
    }
    if net.tie is not None:
        found["tie"] = packed(net.tie)
    if net.bias_tie is not None:
        found["bias_tie"] = packed(net.bias_tie)
    return found


def _laid_out(net: Network) -> dict[str, Any]:
    """Levels, and the layout that crosses few arcs."""
    place = layout(net)
    starts = np.cumsum([0, *map(len, place.routes)])
    waypoints = np.array([y for route in place.routes for y in route])
    return {
        "level": packed(place.x.astype(np.int32)),
        "y": packed(place.y),
        "routes": {"start": packed(starts), "y": packed(waypoints)},
    }


def _in_levels(net: Network) -> dict[str, Any]:
    """Levels, each in the plan's order."""
    start, order = net.plan.level_start, net.plan.order
    level = np.empty(net.n_nodes, np.int32)
    y = np.empty(net.n_nodes)
    level[order] = np.repeat(np.arange(net.plan.n_levels), np.diff(start))
    y[order] = np.arange(net.n_nodes) - np.repeat((start[:-1] + start[1:] - 1) / 2, np.diff(start))
    return {"level": packed(level), "y": packed(y)}


def passes(
    net: Network, steps: BackwardPass | Sequence[tuple[str, Network, BackwardPass]], *, samples: int = SAMPLES
) -> dict[str, Any]:
    """The part `pass`: a backward pass of one target or a loss; or several, each with a label and the network it is of.

    steps : moments of one training run: the networks differ from `net` in their parameters alone, the passes are over
        the same samples.
    samples : the first so many samples are shown, fewer where the network is large.

    DataError if the passes are not of this kind.
    """
    given = [("", net, steps)] if isinstance(steps, BackwardPass) else list(steps)
    if not given:
        raise DataError("there is no pass to show; give at least one")
    if samples < 1:
        raise DataError(f"samples must be at least 1, not {samples}")
    n_samples = len(np.atleast_2d(given[0][2].value))
    fit = ROOM // (len(given) * (5 * net.n_nodes + net.n_edges))
    shown = max(1, min(samples, n_samples, fit))
    for label, of, bwd in given:
        if bwd.sensitivity.ndim != bwd.value.ndim:
            raise DataError("the view shows one target; this pass has a list of targets: make one of a single target")
        if bwd.value.shape[-1] != net.n_nodes or bwd.edge_derivative.shape[-1] != net.n_edges:
            raise DataError(f"the pass is over {bwd.value.shape[-1]} nodes, the network has {net.n_nodes}")
        if not (np.array_equal(of.tail, net.tail) and np.array_equal(of.head, net.head)):
            raise DataError(f"the arcs of the network of step {label!r} are others; only parameters may differ")
        if len(np.atleast_2d(bwd.value)) != n_samples:
            raise DataError(f"step {label!r} is over another number of samples than the first, {n_samples}")
    target = None if given[0][2].loss is not None else _target(net, given[0][2])
    start = net.outputs if target is None else np.array([target], np.int32)
    return {
        "target": target,
        "start": packed(start),
        "n_samples": n_samples,
        "samples": shown,
        "steps": [_step(net, label, of, bwd, start, shown) for label, of, bwd in given],
    }


def _step(net: Network, label: str, of: Network, bwd: BackwardPass, start: Any, shown: int) -> dict[str, Any]:
    def first(array: FloatArray) -> FloatArray:
        return np.atleast_2d(array)[:shown]

    found: dict[str, Any] = {
        "label": label,
        "value": packed(first(bwd.value)),
        "preactivation": packed(first(bwd.preactivation)),
        "gate": packed(first(bwd.gate)),
        "sensitivity": packed(first(bwd.sensitivity)),
        "edge_derivative": packed(first(bwd.edge_derivative)),
        "seed": packed(np.ones((shown, 1)) if bwd.loss is None else _unexplained(net, bwd, shown)[:, start]),
    }
    if bwd.loss_per_sample is not None:
        found["loss"] = packed(np.atleast_1d(bwd.loss_per_sample)[:shown])
    if of is not net:
        found["weight"] = packed(of.weight)
        found["bias"] = packed(np.where(net.is_input, 0, of.bias))
        found["response"] = packed(np.where(net.is_input, 1, of.response))
    return found


def _unexplained(net: Network, bwd: BackwardPass, shown: int) -> FloatArray:
    """(shown, N) S(i) − Σ_j S(j)·z(i,j): what the recursion starts from, 1 at a target, ∂J/∂o at an output."""
    sensitivity = np.atleast_2d(bwd.sensitivity)[:shown].astype(np.float64)
    with np.errstate(all="ignore"):  # of infinite ones it is NaN
        flow = sensitivity[:, net.head] * np.atleast_2d(bwd.edge_derivative)[:shown]
        onward = [np.bincount(net.tail, row, minlength=net.n_nodes) for row in flow]
        return sensitivity - np.array(onward).reshape(sensitivity.shape)


def _target(net: Network, bwd: BackwardPass) -> int:
    """The node of a pass without a loss: the one whose sensitivity, 1, comes from nowhere."""
    return int(np.argmin(np.abs(np.nan_to_num(_unexplained(net, bwd, 1)[0], nan=np.inf) - 1)))


def _sound(name: str) -> str:
    """The name without halves of characters, which no page can hold."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _table(of_nodes: Sequence[str], rows: list[Any]) -> dict[str, Any]:
    """Rows by name in order, and the row of each node."""
    names: NDArray[Any] = np.array(of_nodes)
    return {"table": rows, "code": packed(np.unique(names, return_inverse=True)[1].reshape(-1))}


def _activation(name: str) -> dict[str, Any]:
    row = activations.get(name)
    return {
        "name": name,
        "max_gate": row.max_gate if np.isfinite(row.max_gate) else None,
        "kinks": list(row.kinks),
        "range": [float(end) for end in row.range],
    }
