"""A network as Python code that makes exactly this network."""

from typing import Any

import numpy as np

from edgewise.network import Network
from edgewise.play.sketch import Sketch

SAMPLES_WRITTEN = 20
WIDTH = 100


def code(sketch: Sketch) -> str:
    """A program that makes the network and runs backpropagation on the (first) samples; every number is exact."""
    net, n = sketch.network, min(sketch.n_samples, SAMPLES_WRITTEN)
    lines = ["import edgewise as ew", "", "net = ew.Network("]
    lines += [f"    {name}={_written(value)}," for name, value in _arguments(net).items()]
    lines += [")", f"x = {_rows(sketch.x[:n])}" + (f"  # {n} of {sketch.n_samples}" if n < sketch.n_samples else "")]
    if sketch.loss is None:
        return "\n".join([*lines, f"bwd = net.backprop(x, target={sketch.target!r})", ""])
    wanted = _rows(sketch.y[:n])
    return "\n".join([*lines, f"y = {wanted}", f"bwd = net.backprop(x, y=y, loss={sketch.loss!r})", ""])


def _arguments(net: Network) -> dict[str, Any]:
    """The constructor's, but for those that are as it takes them anyway."""
    names = net.names
    found: dict[str, Any] = {
        "tail": [names[i] for i in net.tail],
        "head": [names[j] for j in net.head],
        "weight": net.weight.tolist(),
        "bias": net.bias.tolist(),
        "activation": list(net.activations),
    }
    if set(net.aggregations) != {"sum"}:
        found["aggregation"] = list(net.aggregations)
    if not (net.response == 1).all():
        found["response"] = net.response.tolist()
    found |= {"inputs": [names[j] for j in net.inputs], "outputs": [names[j] for j in net.outputs]}
    found["names"] = list(names)
    if net.tie is not None:
        found["tie"] = net.tie.tolist()
    if net.bias_tie is not None:
        found["bias_tie"] = net.bias_tie.tolist()
    if net.dtype != np.float64:
        found["dtype"] = str(net.dtype)
    return found


def _written(value: Any) -> str:
    """On one line if it fits, else entry after entry, filled up."""
    whole = repr(value)
    if len(whole) <= WIDTH or not isinstance(value, list):
        return whole
    lines, line = [], ""
    for entry in map(repr, value):
        if line and len(line) + len(entry) + 2 > WIDTH:
            lines.append(line)
            line = ""
        line += f"{entry}, "
    lines.append(line)
    return "\n".join(["[", *(f"        {part.rstrip()}" for part in lines), "    ]"])


def _rows(array: Any) -> str:
    rows = array.tolist()
    whole = repr(rows)
    return whole if len(whole) <= WIDTH else "\n".join(["[", *(f"    {row!r}," for row in rows), "]"])
