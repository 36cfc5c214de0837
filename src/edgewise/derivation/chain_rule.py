"""The derivation of one derivative: which equations it takes, in which order, and what each rests on."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import losses, samples
from edgewise.derivation import quantities
from edgewise.derivation.equations import Derivation, Section
from edgewise.derivation.notation import Exact
from edgewise.derivation.quantities import NotExact, Quantities
from edgewise.derivation.writer import Writer
from edgewise.errors import DataError, GraphError
from edgewise.names import Node
from edgewise.network import Network
from edgewise.plan import depth_to
from edgewise.results import BackwardPass

Wrt = Node | tuple[Node, Node] | tuple[Node, Node, int]


def derive(
    net: Network,
    x: samples.Samples,
    wrt: Wrt,
    target: Node | None = None,
    *,
    y: ArrayLike | None = None,
    loss: str | losses.Loss | None = None,
    exact: bool | None = None,
    max_terms: int = 8,
    max_nodes: int = 40,
) -> Derivation:
    """The chain rule for one derivative of this network, written out as the lecture does: symbols, then numbers.

    Parameters
    ----------
    x : one sample, (n_inputs,), or a dict from input name to number.
    wrt : the node i of S(i,t) = ∂y(t)/∂y(i), by index or name; or an edge as (tail, head), or (tail, head, k) for the
        k-th of parallel edges counted from 0, for its weight gradient ∂y(t)/∂w_ij = S(j,t)·Φ′(s_j)·y(i). Where edges
        are tied, that of the shared weight.
    target : the node t, by index or name; None is the only output.
    y, loss : what the outputs should be, and the loss J that is then the target.
    exact : True for fractions (DataError where an activation leaves them), False for floats; None takes fractions
        where that can be and none has more than nine digits above or below. Parameters and inputs are read as the
        shortest decimals that stand for them: 0.1 is 1/10.
    max_terms, max_nodes : longer sums are abbreviated; of more nodes, those nearest to i are written out. The numbers
        are those of the whole network all the same, and a note says what was left out.

    The form is that of the lecture: equations (1) and (2), and "Gradient w.r.t. edge weights". At a kink fractions may
    take another side than floats do, whose rounding moves them off it.
    """
    if max_terms < 2 or max_nodes < 2:
        raise DataError("max_terms and max_nodes must be at least 2")
    array, one_sample = samples.read(net, x)
    if not one_sample:
        raise DataError(f"a derivation is of one sample; x holds {len(array)}: give one row of it")
    run = net.backprop(array[0], target, y=y, loss=loss)
    if run.sensitivity.ndim != 1:
        raise GraphError("a derivation has one target; the list names several")
    edges, start = _asked(net, wrt)
    ends: list[int] = net.outputs.tolist() if loss is not None or target is None else [net.node(target)]
    leads = depth_to(net.plan, net.head, np.array(ends, np.int32)) >= 0
    numbers, seed, sensitivity, is_exact = _numbers(net, array[0], run, ends, leads, y, loss, exact)

    below = sorted({int(net.head[e]) for e in edges} if edges else {start}, key=lambda j: int(net.plan.position[j]))
    backward = _nearest(below, max_nodes, lambda j: (k for k in _heads(net, j) if leads[k]))
    backward = [j for j in backward if leads[j]]
    gated = {k for j in backward for k in _heads(net, j) if leads[k]} | ({int(net.head[e]) for e in edges})
    first = [*dict.fromkeys([*(int(net.tail[e]) for e in edges), *below, *backward, *ends])]
    forward = _nearest(first, max_nodes, lambda j: iter(_tails(net, j)))
    writer = Writer(net, numbers, sensitivity, seed, None if loss is not None else ends[0], is_exact, max_terms)

    def in_order(nodes: Sequence[int]) -> list[int]:
        return sorted(nodes, key=lambda j: int(net.plan.position[j]))

    sections = [("Forward: pre-activations, values and gates", writer.forward(in_order(forward), gated))]
    if loss is not None:
        wanted = losses.get(loss).check(y, net.n_outputs, 1)  # type: ignore[arg-type]
        sections.append(("The loss", writer.loss(losses.get(loss).name, ends, wanted, float(run.loss or 0.0))))
    sections.append(("Backward: sensitivities", writer.backward(in_order(backward)[::-1], leads)))
    if edges:
        value: Exact = sum((writer.gradient_of(e) for e in edges[1:]), writer.gradient_of(edges[0]))
        sections.append(("The gradient of the weight", writer.gradient(edges, value)))
    else:
        value = sensitivity[start]
    if not any(leads[j] for j in below):
        writer.notes.append("No path leads to the target, so the derivative is 0, an empty sum.")
    reachable = _nearest(below, net.n_nodes, lambda j: (k for k in _heads(net, j) if leads[k]))
    upstream = _nearest(first, net.n_nodes, lambda j: iter(_tails(net, j)))
    for what, count in (("forward", len(upstream) - len(forward)), ("backward", len(reachable) - len(backward))):
        if count > 0 and any(leads[j] for j in below):
            writer.notes.append(f"{count} further nodes of the {what} pass are computed alike and left out here.")
    return writer.derivation(
        edges, start, value, [Section(heading, tuple(found)) for heading, found in sections if found]
    )


def _asked(net: Network, wrt: Wrt) -> tuple[list[int], int]:
    """The edges whose common weight is meant, or none and the node."""
    if not isinstance(wrt, tuple):
        return [], net.node(wrt)
    if len(wrt) not in (2, 3):
        raise GraphError(f"wrt is a node, or an edge as (tail, head) or (tail, head, k); not {wrt!r}")
    tail, head = net.node(wrt[0]), net.node(wrt[1])
    parallel = np.flatnonzero((net.tail == tail) & (net.head == head)).tolist()
    arc = f"{net.label(tail)} -> {net.label(head)}"
    if not parallel:
        raise GraphError(f"there is no edge {arc}")
    if len(wrt) == 2 and len(parallel) > 1:
        raise GraphError(f"there are {len(parallel)} edges {arc}; say which as (tail, head, k), k from 0")
    k = wrt[2] if len(wrt) == 3 else 0
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k < len(parallel):
        raise GraphError(f"there is no edge {arc} number {k!r}; there are {len(parallel)}, counted from 0")
    e: int = parallel[k]
    if net.tie is None:
        return [e], -1
    return [e, *(other for other in np.flatnonzero(net.tie == net.tie[e]).tolist() if other != e)], -1


def _heads(net: Network, j: int) -> list[int]:
    plan, p = net.plan, net.plan.position[j]
    return net.head[plan.out_edge[plan.out_start[p] : plan.out_start[p + 1]]].tolist()


def _tails(net: Network, j: int) -> list[int]:
    plan, p = net.plan, net.plan.position[j]
    return net.tail[plan.in_edge[plan.in_start[p] : plan.in_start[p + 1]]].tolist()


def _nearest(start: Sequence[int], most: int, following: Callable[[int], Iterable[int]]) -> list[int]:
    """At most so many nodes, breadth first."""
    found = dict.fromkeys(start[:most])
    queue = list(found)
    while queue and len(found) < most:
        ahead: list[int] = []
        for j in queue:
            for k in following(j):
                if k not in found and len(found) < most:
                    found[k] = None
                    ahead.append(k)
        queue = ahead
    return list(found)


def _numbers(
    net: Network,
    x: NDArray[Any],
    run: BackwardPass,
    ends: list[int],
    leads: NDArray[np.bool_],
    y: Any,
    loss: str | losses.Loss | None,
    exact: bool | None,
) -> tuple[Quantities, dict[int, Exact], list[Exact], bool]:
    """Every quantity, what the recursion starts from, its result S for each node, and whether they are fractions."""
    if exact or (exact is None and net.n_edges <= quantities.MOST_EDGES):
        try:
            numbers = quantities.in_fractions(net, x, [j for j in net.plan.order.tolist() if leads[j]])
            seed: dict[int, Exact] = dict.fromkeys(ends, Fraction(1))
            if loss is not None:
                seed = _exact_seed(losses.get(loss), [numbers.value[o] for o in ends], y, ends)
            sensitivity: list[Exact] = list(_recursion(net, numbers, seed, leads))
            if exact or quantities.readable([*numbers.all(), *sensitivity]):
                return numbers, seed, sensitivity, True
        except NotExact as reason:
            if exact:
                raise DataError(f"the derivation cannot be exact: {reason}; leave exact out for floats") from None
    floats = quantities.in_floats(net, run)
    if loss is None:
        return floats, {ends[0]: 1.0}, run.sensitivity.tolist(), False
    row = losses.get(loss)
    gradient = row.gradient(run.output[None], row.check(y, net.n_outputs, 1))[0].tolist()
    return floats, dict(zip(ends, gradient, strict=True)), run.sensitivity.tolist(), False


def _exact_seed(loss: losses.Loss, output: list[Exact], y: Any, ends: list[int]) -> dict[int, Exact]:
    if loss.name not in ("squared_error", "mean_squared_error"):
        raise NotExact(f"the loss {loss.name} leaves the fractions")
    scale = Fraction(1) if loss.name == "squared_error" else Fraction(2, len(ends))
    wanted = [quantities.decimal(number) for number in loss.check(y, len(ends), 1)[0]]
    return {o: scale * (Fraction(found) - aim) for o, found, aim in zip(ends, output, wanted, strict=True)}


def _recursion(net: Network, q: Quantities, seed: dict[int, Exact], leads: NDArray[np.bool_]) -> list[Fraction]:
    """Lecture eq. (2) in fractions."""
    found = [Fraction(0)] * net.n_nodes
    heads, plan = net.head.tolist(), net.plan
    for j in plan.order[::-1].tolist():
        if leads[j]:
            found[j] = Fraction(seed.get(j, 0))
            for e in plan.out_edge[plan.out_start[plan.position[j]] : plan.out_start[plan.position[j] + 1]].tolist():
                k = heads[e]
                if leads[k]:
                    z = Fraction(q.gate[k]) * Fraction(q.response[k]) * Fraction(q.slope[e]) * Fraction(q.weight[e])
                    found[j] += found[k] * z
    return found
