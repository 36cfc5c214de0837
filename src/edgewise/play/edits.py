"""Edits: each makes another sketch from one, or says why it cannot be.

Nodes are called by name, since an index changes when a node before it is removed; an arc by its index together with
its ends, so that an edit that comes too late is noticed.
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import losses
from edgewise.arrays import IntArray
from edgewise.errors import DataError, GraphError
from edgewise.network import Network
from edgewise.play.sketch import Sketch, wanted_for

Kind = Literal["input", "hidden", "output"]
INITIALS: dict[Kind, str] = {"input": "x", "hidden": "h", "output": "o"}
MAX_SAMPLES_ADDED = 100_000


# ---- nodes ----


def add_node(
    sketch: Sketch,
    name: str | None = None,
    kind: Kind = "hidden",
    activation: str = "tanh",
    aggregation: str = "sum",
    bias: float = 0.0,
) -> Sketch:
    """A node without arcs; without a name it gets the next one of its kind."""
    net = sketch.network
    if name is None:
        taken = set(net.names)
        name = next(word for k in range(1, net.n_nodes + 2) if (word := f"{INITIALS[kind]}{k}") not in taken)
    n = net.n_nodes
    grown = net.replace(
        names=[*net.names, name],
        activation=[*net.activations, activation],
        aggregation=[*net.aggregations, aggregation],
        bias=np.append(net.bias, 0.0 if kind == "input" else bias),
        response=np.append(net.response, 1.0),
        bias_tie=None if net.bias_tie is None else np.append(net.bias_tie, net.bias_tie.max() + 1),
        inputs=[*net.inputs, n] if kind == "input" else net.inputs,
        outputs=[*net.outputs, n] if kind == "output" else net.outputs,
    )
    if kind == "input":
        return replace(sketch, network=grown, x=_with_column(sketch.x, 0.0))
    return _with_output(sketch, grown) if kind == "output" else sketch.with_network(grown)


def remove_node(sketch: Sketch, node: str) -> Sketch:
    """The node and its arcs go; a target that goes leaves it to the first output."""
    net = sketch.network
    j = net.node(node)
    _check_not_last(net, node)
    kept = np.flatnonzero(np.arange(net.n_nodes) != j)
    place = np.cumsum(np.arange(net.n_nodes) != j) - 1
    arcs = np.flatnonzero((net.tail != j) & (net.head != j))
    smaller = Network(
        place[net.tail[arcs]],
        place[net.head[arcs]],
        net.weight[arcs],
        bias=net.bias[kept],
        activation=[net.activations[k] for k in kept],
        aggregation=[net.aggregations[k] for k in kept],
        response=net.response[kept],
        inputs=place[net.inputs[net.inputs != j]],
        outputs=place[net.outputs[net.outputs != j]],
        names=[net.names[k] for k in kept],
        tie=None if net.tie is None else net.tie[arcs],
        bias_tie=None if net.bias_tie is None else net.bias_tie[kept],
        dtype=net.dtype,
    )
    if sketch.target == node:
        sketch = replace(sketch, target=smaller.names[smaller.outputs[0]])
    if net.is_input[j]:
        sketch = replace(sketch, x=np.delete(sketch.x, _place(net.inputs, j), axis=1))
    if j in net.outputs:
        return _without_output(sketch, smaller, _place(net.outputs, j))
    return sketch.with_network(smaller)


def rename(sketch: Sketch, node: str, name: str) -> Sketch:
    """Call the node by another name."""
    net = sketch.network
    j = net.node(node)
    names = [*net.names[:j], name, *net.names[j + 1 :]]
    target = name if sketch.target == node else sketch.target
    return replace(sketch, network=net.replace(names=names), target=target)


def set_activation(sketch: Sketch, node: str, activation: str) -> Sketch:
    net, j = sketch.network, _neuron(sketch, node, "activation")
    return sketch.with_network(net.replace(activation=_with(net.activations, j, activation)))


def set_aggregation(sketch: Sketch, node: str, aggregation: str) -> Sketch:
    net, j = sketch.network, _neuron(sketch, node, "aggregation")
    return sketch.with_network(net.replace(aggregation=_with(net.aggregations, j, aggregation)))


def set_bias(sketch: Sketch, node: str, value: float) -> Sketch:
    """The bias of the node, and of those tied to it."""
    return _with_number(sketch, "bias", _tied(sketch.network.bias_tie, _neuron(sketch, node, "bias")), value)


def set_response(sketch: Sketch, node: str, value: float) -> Sketch:
    return _with_number(sketch, "response", [_neuron(sketch, node, "response")], value)


def set_input(sketch: Sketch, node: str, on: bool) -> Sketch:
    """Make the node an input, or a neuron that is the identity."""
    net = sketch.network
    j = net.node(node)
    if bool(net.is_input[j]) == on:
        return sketch
    if on:
        made = net.replace(inputs=[*net.inputs, j], bias=_with(net.bias, j, 0.0), response=_with(net.response, j, 1.0))
        return replace(sketch, network=made, x=_with_column(sketch.x, 0.0))
    made = net.replace(inputs=net.inputs[net.inputs != j])
    return replace(sketch, network=made, x=np.delete(sketch.x, _place(net.inputs, j), axis=1))


def set_output(sketch: Sketch, node: str, on: bool) -> Sketch:
    """Make the node one of the outputs, the last, or take it off them."""
    net = sketch.network
    j = net.node(node)
    if (j in net.outputs) == on:
        return sketch
    if on:
        return _with_output(sketch, net.replace(outputs=[*net.outputs, j]))
    _check_not_last(net, node)
    return _without_output(sketch, net.replace(outputs=net.outputs[net.outputs != j]), _place(net.outputs, j))


# ---- arcs ----


def add_arc(sketch: Sketch, tail: str, head: str, weight: float = 1.0) -> Sketch:
    """An arc more, the last; it may be parallel to another."""
    net = sketch.network
    tie = None if net.tie is None else np.append(net.tie, net.tie.max(initial=-1) + 1)
    return sketch.with_network(
        net.replace(
            tail=np.append(net.tail, np.int32(net.node(tail))),
            head=np.append(net.head, np.int32(net.node(head))),
            weight=np.append(net.weight, weight),
            tie=tie,
        )
    )


def remove_arc(sketch: Sketch, edge: int, tail: str, head: str) -> Sketch:
    net = sketch.network
    _check_arc(net, edge, tail, head)
    return sketch.with_network(
        net.replace(
            tail=np.delete(net.tail, edge),
            head=np.delete(net.head, edge),
            weight=np.delete(net.weight, edge),
            tie=None if net.tie is None else np.delete(net.tie, edge),
        )
    )


def set_weight(sketch: Sketch, edge: int, tail: str, head: str, value: float) -> Sketch:
    """The weight of the arc, and of those tied to it."""
    net = sketch.network
    _check_arc(net, edge, tail, head)
    return _with_number(sketch, "weight", _tied(net.tie, edge), value)


# ---- what is asked ----


def set_target(sketch: Sketch, node: str) -> Sketch:
    """S(·,t) of this node; what was wanted of the outputs is kept for the next loss."""
    sketch.network.node(node)
    return replace(sketch, target=node, loss=None)


def set_loss(sketch: Sketch, loss: str) -> Sketch:
    """J as the target; what was wanted before is said in this loss's terms as far as it can be."""
    if loss == sketch.loss:
        return sketch
    wanted = wanted_for(loss, sketch.y, sketch.network.n_outputs, sketch.n_samples)
    return replace(sketch, loss=loss, y=losses.get(loss).check(wanted, sketch.network.n_outputs, sketch.n_samples))


# ---- samples ----


def set_value(sketch: Sketch, sample: int, node: str, value: float) -> Sketch:
    """What is put in at this input."""
    net = sketch.network
    j = net.node(node)
    _check_sample(sketch, sample)
    if not net.is_input[j]:
        raise DataError(f"{node!r} is not an input, so its value follows from others; choose an input")
    x = sketch.x.copy()
    x[sample, _place(net.inputs, j)] = _in_dtype(net, value, "the value")
    return replace(sketch, x=x)


def set_wanted(sketch: Sketch, sample: int, node: str, value: float) -> Sketch:
    """What this output should be; where the loss goes by classes, value 1 makes it the sample's class."""
    net = sketch.network
    j = net.node(node)
    _check_sample(sketch, sample)
    if j not in net.outputs:
        raise DataError(f"{node!r} is not an output, so nothing can be wanted of it; choose an output")
    if sketch.loss is None:
        raise DataError("a node is the target, so nothing is wanted of the outputs; choose a loss first")
    y, place = sketch.y.copy(), _place(net.outputs, j)
    if y.ndim == 1:
        if value != 1:
            raise DataError(f"{sketch.loss} goes by classes: want 1 of the output that stands for the sample's class")
        y[sample] = place
    else:
        y[sample, place] = value
    return replace(sketch, y=losses.get(sketch.loss).check(y, net.n_outputs, sketch.n_samples))


def add_sample(sketch: Sketch, like: int) -> Sketch:
    """A sample more, the last, a copy of another."""
    _check_sample(sketch, like)
    if sketch.n_samples >= MAX_SAMPLES_ADDED:
        raise DataError(f"there are {sketch.n_samples} samples; no more can be added here")
    return replace(sketch, x=np.append(sketch.x, sketch.x[[like]], 0), y=np.append(sketch.y, sketch.y[[like]], 0))


def remove_sample(sketch: Sketch, sample: int) -> Sketch:
    _check_sample(sketch, sample)
    if sketch.n_samples == 1:
        raise DataError("this is the only sample, and the passes need one")
    return replace(sketch, x=np.delete(sketch.x, sample, 0), y=np.delete(sketch.y, sample, 0))


# ---- parts of these ----


def _with(values: Any, place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


def _place(nodes: IntArray, j: int) -> int:
    """Where in a list of nodes one stands."""
    return int(np.flatnonzero(nodes == j)[0])


def _with_column(array: NDArray[Any], value: float) -> NDArray[Any]:
    return np.append(array, np.full((len(array), 1), value, array.dtype), axis=1)


def _in_dtype(net: Network, value: float, what: str) -> float:
    with np.errstate(over="ignore"):
        number = float(net.dtype.type(value))
    if not np.isfinite(number):
        raise DataError(f"{what} is {number} in {net.dtype}; it must be a finite number")
    return number


def _tied(tie: IntArray | None, place: int) -> list[int]:
    """The places that share a parameter with this one."""
    return [place] if tie is None else np.flatnonzero(tie == tie[place]).tolist()


def _with_number(sketch: Sketch, what: str, places: list[int], value: float) -> Sketch:
    """The same structure, with this number among its parameters."""
    net = sketch.network.with_own_parameters()
    getattr(net, what)[places] = _in_dtype(net, value, what)
    return sketch.with_network(net)


def _neuron(sketch: Sketch, node: str, what: str) -> int:
    j = sketch.network.node(node)
    if sketch.network.is_input[j]:
        raise GraphError(f"{node!r} is an input, which has no {what}; take it off the inputs first")
    return j


def _check_not_last(net: Network, node: str) -> None:
    """GraphError if a node is the only output."""
    if net.outputs.tolist() == [net.node(node)]:
        raise GraphError(f"{node!r} is the only output, and a network needs one; make another node an output first")


def _check_arc(net: Network, edge: int, tail: str, head: str) -> None:
    if not 0 <= edge < net.n_edges or (net.names[net.tail[edge]], net.names[net.head[edge]]) != (tail, head):
        raise GraphError(f"there is no arc {edge} from {tail!r} to {head!r}; it may just have been removed")


def _check_sample(sketch: Sketch, sample: int) -> None:
    if not 0 <= sample < sketch.n_samples:
        raise DataError(f"there is no sample {sample}; samples are 0 to {sketch.n_samples - 1}")


def _with_output(sketch: Sketch, network: Network) -> Sketch:
    """For a network that has one output more, the last."""
    if sketch.y.ndim == 1:
        return sketch.with_network(network)
    return replace(sketch, network=network, y=_with_column(sketch.y, -1.0 if _signs(sketch) else 0.0))


def _without_output(sketch: Sketch, network: Network, place: int) -> Sketch:
    """For a network that has lost the output at this place."""
    if sketch.y.ndim == 2:
        return replace(sketch, network=network, y=np.delete(sketch.y, place, axis=1))
    if sketch.loss is not None and (sketch.y == place).any():
        raise GraphError(
            f"the output stands for class {place}, which samples have; choose another loss, or a node as the target"
        )
    y = np.where(sketch.y == place, 0, sketch.y)
    return replace(sketch, network=network, y=np.where(y > place, y - 1, y))


def _signs(sketch: Sketch) -> bool:
    return sketch.loss is not None and losses.get(sketch.loss).labels == "sign"
