"""The numbers of a derivation: fractions where every step allows it, else the floats of the engine.

A weight or an input is read as the shortest decimal that stands for it: 0.1 is 1/10, not the nearest binary fraction.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from edgewise import activations, aggregations
from edgewise.arrays import FloatArray
from edgewise.derivation.notation import Exact
from edgewise.network import Network
from edgewise.results import BackwardPass

MOST_EDGES = 20_000
"""Of a network whose fractions are tried without being asked for."""
LONGEST = 10**9
"""Numerators and denominators beyond this say less than a decimal does."""


@dataclass(slots=True)
class Quantities:
    """Of one sample, in the caller's order of nodes and edges."""

    weight: list[Exact]
    bias: list[Exact]
    response: list[Exact]
    value: list[Exact]
    preactivation: list[Exact]
    gate: list[Exact]
    slope: list[Exact]
    """(E,) a(i,j) = ∂agg_j/∂(w_ij·y(i)), 1 for a sum"""

    def all(self) -> list[Exact]:
        return [*self.weight, *self.bias, *self.response, *self.value, *self.preactivation, *self.gate, *self.slope]


class NotExact(Exception):
    """Says what leaves the fractions."""


def decimal(number: Any) -> Fraction:
    """The shortest decimal that stands for a float of its dtype."""
    return Fraction(str(number))


def in_floats(net: Network, run: BackwardPass) -> Quantities:
    """As the engine computed them; `run` is a pass over one sample."""
    return Quantities(
        weight=net.weight.tolist(),
        bias=net.bias.tolist(),
        response=net.response.tolist(),
        value=run.value.tolist(),
        preactivation=run.preactivation.tolist(),
        gate=run.gate.tolist(),
        slope=_slopes(net, run.value).tolist(),
    )


def _slopes(net: Network, value: FloatArray) -> FloatArray:
    """(E,) of the float pass."""
    slope = np.ones(net.n_edges, net.dtype)
    plan = net.plan
    for p, j in enumerate(plan.order.tolist()):
        edges = plan.in_edge[plan.in_start[p] : plan.in_start[p + 1]]
        if len(edges) and net.aggregations[j] != "sum":
            terms = (net.weight[edges] * value[net.tail[edges]])[:, None]
            slope[edges] = aggregations.get(net.aggregations[j]).slope(terms, np.zeros(1, np.intp))[:, 0]
    return slope


def in_fractions(net: Network, x: FloatArray, needed: list[int]) -> Quantities:
    """Exactly, of the nodes `needed`, which are in order and hold all that lead to them; NotExact if it cannot be."""
    weight: list[Exact] = [decimal(w) for w in net.weight]
    found = Quantities(
        weight=weight,
        bias=[decimal(b) for b in net.bias],
        response=[decimal(r) for r in net.response],
        value=[Fraction(0)] * net.n_nodes,
        preactivation=[Fraction(0)] * net.n_nodes,
        gate=[Fraction(1)] * net.n_nodes,
        slope=[Fraction(1)] * net.n_edges,
    )
    for i, number in zip(net.inputs.tolist(), x, strict=True):
        found.value[i] = found.preactivation[i] = decimal(number)
    plan, tail = net.plan, net.tail.tolist()
    for j in needed:
        if net.is_input[j]:
            continue
        p = plan.position[j]
        edges = plan.in_edge[plan.in_start[p] : plan.in_start[p + 1]].tolist()
        terms = [Fraction(weight[e]) * Fraction(found.value[tail[e]]) for e in edges]
        for e, slope in zip(edges, _exact_slopes(net.aggregations[j], terms), strict=True):
            found.slope[e] = slope
        aggregate = _exact_aggregate(net.aggregations[j], terms, [Fraction(found.slope[e]) for e in edges])
        s = Fraction(found.bias[j]) + Fraction(found.response[j]) * aggregate
        found.preactivation[j] = s
        found.value[j], found.gate[j] = _exact_activation(net, j, s)
    return found


def _exact_slopes(aggregation: str, terms: list[Fraction]) -> list[Fraction]:
    if aggregation == "sum" or not terms:
        return [Fraction(1)] * len(terms)
    if aggregation == "mean":
        return [Fraction(1, len(terms))] * len(terms)
    if aggregation == "product":
        before, after = [Fraction(1)], [Fraction(1)]
        for forward, backward in zip(terms, reversed(terms), strict=True):
            before.append(before[-1] * forward)
            after.append(after[-1] * backward)
        return [before[k] * after[len(terms) - 1 - k] for k in range(len(terms))]
    rank = {term: k for k, term in enumerate(sorted(set(terms)))}  # the table chooses among floats: ranks are floats
    if aggregation == "maxabs":
        rank = {term: k for k, term in enumerate(sorted(set(map(abs, terms))))}
        terms = [abs(term) for term in terms]
    slopes = aggregations.get(aggregation).slope(np.array([[float(rank[t])] for t in terms]), np.zeros(1, np.intp))
    return [Fraction(slope) for slope in slopes[:, 0].tolist()]  # 0, ½ or 1


def _exact_aggregate(aggregation: str, terms: list[Fraction], slopes: list[Fraction]) -> Fraction:
    if aggregation == "product" and terms:
        return terms[0] * slopes[0]
    return sum((slope * term for slope, term in zip(slopes, terms, strict=True)), Fraction(0))


def _exact_activation(net: Network, j: int, s: Fraction) -> tuple[Fraction, Fraction]:
    """Φ(s) and Φ′(s) by the table's own formulas, which many do with fractions; NotExact if a float comes out."""
    row = activations.get(net.activations[j])
    try:
        argument = np.array([s], object)
        value = np.asarray(row.value(argument), object)
        gate = np.asarray(row.gate(argument, value), object)
        return _as_fraction(value[0]), _as_fraction(gate[0])
    except (TypeError, AttributeError, ZeroDivisionError):
        raise NotExact(f"the activation {row.name} of node {net.label(j)} leaves the fractions") from None


def _as_fraction(found: Any) -> Fraction:
    if isinstance(found, float | np.floating):
        raise TypeError
    return Fraction(int(found)) if isinstance(found, bool | np.bool_ | np.integer) else Fraction(found)


def readable(numbers: list[Exact]) -> bool:
    """Whether no fraction is too long to be read."""
    return all(isinstance(n, Fraction) and abs(n.numerator) <= LONGEST and n.denominator <= LONGEST for n in numbers)
