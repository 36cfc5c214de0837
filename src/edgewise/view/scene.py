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
from edgewise.network import Network
from edgewise.view.layout import layout

SCHEMA = 1
EXACT = 50_000
"""Up to so many numbers are packed as they are, in float64; larger arrays in float32."""


def packed(array: ArrayLike) -> dict[str, Any]:
    """An array of numbers, of any shape, as `web/arrays.js` reads it."""
    given = np.asarray(array)
    if given.dtype.kind in "iub":
        kind, stored = "int32", given.astype("<i4")
    elif given.size <= EXACT:
        kind, stored = "float64", given.astype("<f8")
    else:
        with np.errstate(over="ignore"):
            kind, stored = "float32", given.astype("<f4")
    return {kind: base64.b64encode(np.ascontiguousarray(stored).tobytes()).decode("ascii"), "shape": list(given.shape)}


def data(
    net: Network, *, passes: dict[str, Any] | None = None, report: dict[str, Any] | None = None, live: bool = False
) -> dict[str, Any]:
    """The trait `data` of a view: the network, and what else is to be shown with it."""
    return {"schema": SCHEMA, "network": network(net), "pass": passes, "report": report, "live": live}


def network(net: Network) -> dict[str, Any]:
    """The part `network`: structure, parameters, and where everything is drawn."""
    place = layout(net)
    starts = np.cumsum([0, *map(len, place.routes)])
    waypoints = np.array([y for route in place.routes for y in route])
    found: dict[str, Any] = {
        "names": list(map(_sound, net.names)),
        "tail": packed(net.tail),
        "head": packed(net.head),
        "in_edge": packed(net.plan.in_edge),
        "weight": packed(net.weight),
        "bias": packed(np.where(net.is_input, 0, net.bias)),
        "response": packed(np.where(net.is_input, 1, net.response)),
        "activation": _table(net.activations, [_activation(name) for name in sorted(set(net.activations))]),
        "aggregation": _table(net.aggregations, sorted(set(net.aggregations))),
        "inputs": packed(net.inputs),
        "outputs": packed(net.outputs),
        "order": packed(net.plan.order),
        "level": packed(place.x.astype(np.int32)),
        "y": packed(place.y),
        "routes": {"start": packed(starts), "y": packed(waypoints)},
        "crossings": place.crossings,
    }
    if net.tie is not None:
        found["tie"] = packed(net.tie)
    return found


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
