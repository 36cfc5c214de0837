"""The reference engine: the lecture's recursion in NumPy, the definition of correct.

Arrays are (N, B) or (E, B), a row a node or edge in the caller's order, a column a sample. Nodes are visited level by
level, so that all a node needs is there when its turn comes:

    forward      s(j)    = b_j + r_j·agg_j{ w_ij·y(i) : i tail of an in-arc of j }        y(j) = Φ_j(s(j))
    backward     S(j⁻,t) = S(j⁺,t)·Φ′(s_j)
                 S(i,t)  = seed(i,t) + Σ { S(j⁻,t)·r_j·agg_j′·w_ij : j head of an out-arc of i }
    gradients    ∂y(t)/∂w_ij = S(j⁻,t)·r_j·agg_j′·y(i)      ∂y(t)/∂b_j = S(j⁻,t)      ∂y(t)/∂r_j = S(j⁻,t)·agg_j

where agg_j′ is the derivative of the aggregation with respect to the term of that arc, 1 for a sum.
A sensitivity that is exactly zero passes nothing on, even through an infinite gate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise import activations, aggregations
from edgewise.arrays import FloatArray, IntArray
from edgewise.objective import Objective, Seed
from edgewise.places import AbsentArcs, Places

if TYPE_CHECKING:
    from edgewise.network import Network


@dataclass(frozen=True, slots=True)
class _Heads:
    """Nodes that aggregate in the same way, with their in-arcs standing together."""

    nodes: IntArray
    edges: IntArray
    start: NDArray[np.intp]
    aggregation: aggregations.Aggregation

    def terms(self, run: "Run") -> FloatArray:
        tails = run.network.tail[self.edges]
        return run.weight[self.edges] * run.value[tails]


def _gather(start: IntArray, edge: IntArray, positions: NDArray[np.intp]) -> tuple[IntArray, NDArray[np.intp]]:
    """The arcs of the nodes at these positions, one node's after another's, and where each node's begin."""
    counts = start[positions + 1] - start[positions]
    begin = np.cumsum(counts) - counts
    if len(positions) and positions[-1] - positions[0] + 1 == len(positions):
        return edge[start[positions[0]] : start[positions[-1] + 1]], begin
    rows = np.arange(counts.sum()) + np.repeat(start[positions] - begin, counts)
    return edge[rows], begin


def _heads_of_level(network: "Network", level: int) -> Iterator[_Heads]:
    """The nodes of a level that have in-arcs, by aggregation."""
    plan = network.plan
    first, last = plan.level_start[level], plan.level_start[level + 1]
    positions = np.arange(first, last)
    positions = positions[plan.in_start[positions + 1] > plan.in_start[positions]]
    codes = network.aggregation_code[plan.order[positions]]
    for code in np.unique(codes):
        chosen = positions[codes == code]
        edges, begin = _gather(plan.in_start, plan.in_edge, chosen)
        yield _Heads(plan.order[chosen], edges, begin, aggregations.get(network.aggregation_names[code]))


def _by_activation(network: "Network", nodes: IntArray) -> Iterator[tuple[activations.Activation, IntArray]]:
    """The nodes that are not inputs, by activation."""
    codes = network.activation_code[nodes]
    for code in np.unique(codes):
        chosen = nodes[(codes == code) & ~network.is_input[nodes]]
        if len(chosen):
            yield activations.get(network.activation_names[code]), chosen


@dataclass(frozen=True, slots=True)
class Run:
    """A forward pass: everything it was given and everything it found."""

    network: "Network"
    weight: FloatArray
    """(E, 1), or (E, B) with a weight of its own for every sample."""
    response: FloatArray
    """(N, 1) or (N, B)"""
    value: FloatArray
    """(N, B)"""
    preactivation: FloatArray
    """(N, B)"""
    aggregate: FloatArray
    """(N, B) agg_j, 0 where there are no in-arcs"""
    kept: FloatArray | None = None
    """(N, B) what y(j) = Φ(s_j) and Φ′(s_j) are multiplied by; see `edgewise.dropout`"""

    def gate(self) -> FloatArray:
        """(N, B) Φ′(s_j), 1 at inputs."""
        gate = np.ones_like(self.value)
        with np.errstate(all="ignore"):
            for activation, nodes in _by_activation(self.network, self.network.plan.order):
                s = self.preactivation[nodes]
                gate[nodes] = activation.gate(s, self.value[nodes] if self.kept is None else activation.value(s))
        return gate if self.kept is None else gate * self.kept

    def slope(self) -> FloatArray:
        """(E, B) r_j·agg_j′, the derivative of s(j) with respect to the term w_ij·y(i); (E, 1) if all is sums."""
        network = self.network
        if network.aggregation_names == ("sum",):
            return self.response[network.head]
        slope = np.empty((network.n_edges, self.value.shape[1]), self.value.dtype)
        with np.errstate(all="ignore"):
            for level in range(network.plan.n_levels):
                for heads in _heads_of_level(network, level):
                    slope[heads.edges] = heads.aggregation.slope(heads.terms(self), heads.start)
            slope *= self.response[network.head]
        return slope


def run_forward(
    network: "Network",
    x: FloatArray,
    weight: FloatArray | None = None,
    bias: FloatArray | None = None,
    response: FloatArray | None = None,
    kept: FloatArray | None = None,
) -> Run:
    """The forward pass of x (B, n_inputs), with nodes left out where kept (N, B) is 0.

    weight (E, 1) or (E, B), bias and response (N, 1) or (N, B) stand in for the network's own; with a second axis B
    every sample has parameters of its own. All may be complex.
    """
    weight = network.weight[:, None].copy() if weight is None else weight
    bias = network.bias[:, None] if bias is None else bias
    response = network.response[:, None].copy() if response is None else response
    dtype = np.result_type(x, weight, bias, response)
    n_samples = max(len(x), weight.shape[1], bias.shape[1], response.shape[1])
    shape = (network.n_nodes, n_samples) if len(x) else (network.n_nodes, 0)
    value = np.empty(shape, dtype)
    aggregate = np.zeros(shape, dtype)
    preactivation = np.broadcast_to(bias, shape).astype(dtype)
    run = Run(network, weight, response, value, preactivation, aggregate, kept)
    plan = network.plan
    with np.errstate(all="ignore"):
        for level in range(plan.n_levels):
            nodes = plan.order[plan.level_start[level] : plan.level_start[level + 1]]
            if level == 0:
                preactivation[network.inputs] = value[network.inputs] = x.T
            for heads in _heads_of_level(network, level):
                aggregate[heads.nodes] = heads.aggregation.value(heads.terms(run), heads.start)
                preactivation[heads.nodes] += run.response[heads.nodes] * aggregate[heads.nodes]
            for activation, chosen in _by_activation(network, nodes):
                value[chosen] = activation.value(preactivation[chosen])
                if kept is not None:
                    value[chosen] *= kept[chosen]
    return run


class ReferencePass:
    """Both passes over one network; `results.BackwardQuantities` as the reference engine makes them."""

    def __init__(self, network: "Network", x: FloatArray, kept: FloatArray | None = None) -> None:
        self._run = run_forward(network, x, kept=kept)

    @property
    def network(self) -> "Network":
        return self._run.network

    # ---- forward ----

    def value(self) -> FloatArray:
        return np.ascontiguousarray(self._run.value.T)

    def preactivation(self) -> FloatArray:
        return np.ascontiguousarray(self._run.preactivation.T)

    def gate(self) -> FloatArray:
        return np.ascontiguousarray(self._run.gate().T)

    def output(self) -> FloatArray:
        return np.ascontiguousarray(self._run.value[self._run.network.outputs].T)

    # ---- backward ----

    def backward(self, objective: Objective) -> "ReferencePass":
        """Runs the recursion from the objective's seed; afterwards the quantities below are there."""
        run = self._run
        self._objective = objective
        self._seed: Seed = objective.seed(run.value[objective.nodes])
        self._gate, self._slope = run.gate(), run.slope()
        weight = self._slope * run.weight
        self._sensitivity = self._sensitivity_at_start()
        self._linear = np.zeros_like(self._sensitivity)
        for t in range(len(self._sensitivity)):
            self._recur(self._sensitivity[t], self._linear[t], weight, self._gate)
        return self

    def _sensitivity_at_start(self) -> FloatArray:
        """(T, N, B)"""
        found = np.zeros((len(self._seed.sensitivity), *self._run.value.shape), self._run.value.dtype)
        for t, seed in enumerate(self._seed.sensitivity):
            np.add.at(found[t], self._objective.nodes, seed)  # several outputs may be one node: their seeds add
        return found

    def _recur(self, sensitivity: FloatArray, linear: FloatArray, weight: FloatArray, gate: FloatArray) -> None:
        """S(i,t) = Σ S(j⁻,t)·weight(i,j) from the last level to the first, weight being r_j·agg_j′·w_ij: lecture
        eq. (2), Lemma 14."""
        network = self._run.network
        plan = network.plan
        with np.errstate(all="ignore"):
            for level in reversed(range(plan.n_levels)):
                positions = np.arange(plan.level_start[level], plan.level_start[level + 1])
                nodes = plan.order[positions]
                has_heads = plan.out_start[positions + 1] > plan.out_start[positions]
                edges, begin = _gather(plan.out_start, plan.out_edge, positions[has_heads])
                if len(edges):
                    passed = linear[network.head[edges]] * weight[edges]
                    sensitivity[nodes[has_heads]] += np.add.reduceat(passed, begin, axis=0)
                s = sensitivity[nodes]
                linear[nodes] = np.where(s == 0, 0, s * gate[nodes])

    def squared_sensitivity(self, *, open_gates: bool) -> FloatArray:
        """Σ over paths of the products of z², from the squares of what `backward` started from; with `open_gates`, of
        the weights' squares alone."""
        with np.errstate(all="ignore"):
            squared = np.square(self._sensitivity_at_start())
            gate = np.ones_like(self._gate) if open_gates else np.square(self._gate)
            weight = np.square(self._slope * self._run.weight)
        for each in squared:
            self._recur(each, np.zeros_like(each), weight, gate)
        return np.ascontiguousarray(squared.transpose(0, 2, 1))

    def loss_per_sample(self) -> FloatArray | None:
        return self._seed.loss_per_sample

    def weight_sum(self) -> float:
        return self._objective.weight_sum(self._run.value.shape[1])

    def sensitivity(self) -> FloatArray:
        return np.ascontiguousarray(self._sensitivity.transpose(0, 2, 1))

    def linear_sensitivity(self) -> FloatArray:
        return np.ascontiguousarray(self._linear.transpose(0, 2, 1))

    def edge_derivative(self) -> FloatArray:
        with np.errstate(all="ignore"):
            z = self._gate[self._run.network.head] * self._slope * self._run.weight
        return np.ascontiguousarray(z.T)

    def input_gradient(self) -> FloatArray:
        return np.ascontiguousarray(self._sensitivity[:, self._run.network.inputs].transpose(0, 2, 1))

    # ---- gradients of the parameters ----

    def weight_gradient(self, divisor: float) -> FloatArray:
        run, network = self._run, self._run.network
        gradient = np.empty((len(self._linear), network.n_edges), run.value.dtype)
        with np.errstate(all="ignore"):
            for t, linear in enumerate(self._linear):
                for edges in _slices(network.n_edges, run.value.shape[1]):
                    slope = self._slope[edges]
                    upstream = run.value[network.tail[edges]]
                    gradient[t, edges] = np.einsum("eb,eb->e", linear[network.head[edges]] * slope, upstream)
        return network.weight_ties.total(gradient) / gradient.dtype.type(divisor)

    def strongest_absent(
        self, places: Places, group: IntArray, wanted: NDArray[np.int64], divisor: float
    ) -> AbsentArcs:
        run, network = self._run, self._run.network
        places.check(network)
        passed = self._linear[0] * run.response  # S(j⁻,t)·r_j, all heads being sums
        found: list[list[tuple[float, int, int]]] = [[] for _ in wanted]
        for g, (a, b) in zip(group.tolist(), places.pairs.tolist(), strict=True):
            tails, heads = places.tails(a), places.heads(network, b)
            gradient = passed[heads] @ run.value[tails].T / run.value.dtype.type(divisor)
            for j, row in zip(heads.tolist(), gradient.tolist(), strict=True):
                there = set(network.tail[network.head == j].tolist())
                found[g] += [(slope, j, i) for i, slope in zip(tails.tolist(), row, strict=True) if i not in there]
        chosen: list[tuple[float, int, int]] = []
        for arcs, count in zip(found, wanted.tolist(), strict=True):
            numbers = (arc for arc in arcs if not np.isnan(arc[0]))
            chosen += sorted(numbers, key=lambda arc: (-abs(arc[0]), arc[1], arc[2]))[:count]
        slopes, heads_of, tails_of = zip(*chosen, strict=True) if chosen else ((), (), ())
        return AbsentArcs(np.array(tails_of, np.int32), np.array(heads_of, np.int32), np.array(slopes, run.value.dtype))

    def weight_gradient_per_sample(self) -> FloatArray:
        run, network = self._run, self._run.network
        with np.errstate(all="ignore"):
            gradient = self._linear[:, network.head] * self._slope * run.value[network.tail]
        return np.ascontiguousarray(network.weight_ties.total(gradient.transpose(0, 2, 1)))

    def _of_neurons(self, gradient: FloatArray) -> FloatArray:
        """(T, N, B) with zeros at the inputs, which have neither bias nor response."""
        gradient[:, self._run.network.inputs] = 0
        return gradient

    def bias_gradient(self, divisor: float) -> FloatArray:
        summed = self._of_neurons(self._linear.copy()).sum(axis=-1)
        return self._run.network.bias_ties.total(summed) / summed.dtype.type(divisor)

    def bias_gradient_per_sample(self) -> FloatArray:
        gradient = self._of_neurons(self._linear.copy()).transpose(0, 2, 1)
        return np.ascontiguousarray(self._run.network.bias_ties.total(gradient))

    def response_gradient(self, divisor: float) -> FloatArray:
        with np.errstate(all="ignore"):
            summed = self._of_neurons(self._linear * self._run.aggregate).sum(axis=-1)
            return summed / summed.dtype.type(divisor)


def _slices(n_edges: int, n_samples: int) -> Iterator[slice]:
    """Slices of the edges that keep (edges, B) temporaries within a few megabytes."""
    step = max(1, (1 << 20) // max(1, n_samples))
    for first in range(0, n_edges, step):
        yield slice(first, min(first + step, n_edges))
