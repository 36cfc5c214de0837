"""Remedies, each a change that is made to a copy of the network, or to the data, so that it can be measured.

Which of them are tried for a finding stands in `FOR`. A change keeps ties: arcs that share a weight, and nodes that
share a bias, go on sharing one.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from edgewise import activations, initializers
from edgewise.arrays import FloatArray, IntArray
from edgewise.diagnosis.budget import gradient_budget
from edgewise.diagnosis.findings import Finding
from edgewise.diagnosis.signals import Batch, Bools
from edgewise.network import Network

Change = Callable[[Network, Batch, Finding], tuple[Network, Batch] | None]
"""What is tried; None where it cannot be."""
ROUNDS = 8
AT_ONCE_DB = 20.0
EVEN_DB = 0.5


def balanced_weights(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Scale the weights on each level's out-arcs until what weights gain and what gates lose cancel: 0 dB a level."""
    weight = net.weight.astype(np.float64)
    for _ in range(ROUNDS):
        tried = net.replace(weight=weight)
        rows = gradient_budget(tried, batch.x, y=batch.y, loss=batch.loss, sample_weight=batch.sample_weight).rows
        gain = np.array([row.weights_db + row.gates_db for row in rows])
        if not np.isfinite(gain[1:]).all():
            return None
        gain[0] = 0
        if np.abs(gain).max() < EVEN_DB:
            break
        factor = 10 ** (-np.clip(gain, -AT_ONCE_DB, AT_ONCE_DB) / 20)
        weight = _shared(net.tie, weight * np.where(net.depth >= 0, factor[net.depth], 1)[net.tail])
    return net.replace(weight=weight), batch


def unit_sums(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Level by level, scale the weights on in-arcs so that sums have deviation 1 over samples, and set biases so that
    their mean is 0 (after Mishkin & Matas 2016). Outputs keep their biases."""
    if any(name != "sum" for name in set(net.aggregations)):
        return None
    changed = net.astype("float64")
    plan, weight, bias = changed.plan, changed.weight.copy(), changed.bias.copy()
    is_output = np.isin(np.arange(net.n_nodes), net.outputs)
    value = np.zeros((net.n_nodes, len(batch.x)))
    value[net.inputs] = batch.x.T
    with np.errstate(all="ignore"):
        for first, last in pairwise(plan.level_start.tolist()):
            nodes, start = plan.order[first:last], plan.in_start[first : last + 1]
            arcs = plan.in_edge[start[0] : start[-1]]
            matrix = sparse.csr_array((weight[arcs], net.tail[arcs], start - start[0]), (len(nodes), net.n_nodes))
            summed = changed.response[nodes, None] * (matrix @ value)
            deviation = summed.std(axis=1)
            told = (np.diff(start) > 0) & (deviation > 0) & np.isfinite(deviation)
            scale = np.where(told, deviation, 1)
            weight[arcs] /= np.repeat(scale, np.diff(start))
            summed /= scale[:, None]
            centred = told & ~is_output[nodes]
            bias[nodes[centred]] = -summed[centred].mean(axis=1)
            summed += bias[nodes, None]
            code = np.where(net.is_input[nodes], -1, net.activation_code[nodes])
            for one in np.unique(code[code >= 0]).tolist():
                of = code == one
                value[nodes[of]] = activations.get(net.activation_names[one]).value(summed[of])
    return net.replace(weight=_shared(net.tie, weight), bias=_shared(net.bias_tie, bias)), batch


def _of_hidden(name: str) -> Change:
    def change(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
        hidden = ~net.is_input & ~np.isin(np.arange(net.n_nodes), net.outputs)
        if all(net.activations[j] == name for j in np.flatnonzero(hidden).tolist()):
            return None
        return unit_sums(_activated(net, hidden, name), batch, finding)

    change.__doc__ = f"Let hidden units be {name}, with sums of deviation 1."
    return change


def leaky_units(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Let dead units be leaky_relu."""
    return _activated(net, _chosen(net, finding), "leaky_relu"), batch


def open_biases(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Set the biases of these units so that half of the samples open them."""
    summed = net.forward(batch.x).preactivation
    bias = net.bias.copy()
    chosen = _chosen(net, finding)
    bias[chosen] -= np.median(summed[:, chosen], axis=0)
    return net.replace(bias=_shared(net.bias_tie, bias)), batch


def redrawn_weights(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Draw the weights on the in-arcs and out-arcs of these units anew, as is customary for their activation."""
    chosen = _chosen(net, finding)
    arcs = np.flatnonzero(chosen[net.head] | chosen[net.tail] if finding.nodes else np.ones(net.n_edges, np.bool_))
    fan_in, fan_out = np.bincount(net.head, minlength=net.n_nodes), np.bincount(net.tail, minlength=net.n_nodes)
    weight, rng = net.weight.astype(np.float64), np.random.default_rng(0)
    for name in dict.fromkeys(net.activations):
        of_name = arcs[np.array([net.activations[j] == name for j in net.head[arcs].tolist()])]
        drawn = initializers.of_edges(
            initializers.default_for(name), rng, fan_in[net.head[of_name]], fan_out[net.tail[of_name]]
        )
        weight[of_name] = drawn
    return net.replace(weight=_shared(net.tie, weight)), batch


def skip_arcs(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Add arcs of weight 1 past the levels where the gradient falls, from each unit to one two levels nearer."""
    tails, heads = [], []
    taken = -2
    for level in sorted(finding.levels):
        far, near = (np.flatnonzero((net.depth == level + k) & ~net.is_input) for k in (1, -1))
        if level - taken < 2 or level < 1 or not len(far) or not len(near):
            continue
        n, taken = min(len(far), len(near)), level
        tails.append(far[:n])
        heads.append(near[:n])
    if not tails or net.tie is not None:
        return None
    tail, head = (np.concatenate([old, *new]).astype(np.int32) for old, new in ((net.tail, tails), (net.head, heads)))
    weight = np.append(net.weight, np.ones(len(tail) - net.n_edges, net.dtype))
    return net.replace(tail=tail, head=head, weight=weight), batch


def standardised_inputs(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Give x less its mean and by its deviation, input by input."""
    deviation = batch.x.std(axis=0)
    return net, replace(batch, x=(batch.x - batch.x.mean(axis=0)) / np.where(deviation > 0, deviation, 1))


def identity_outputs(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Let outputs be identity."""
    return _activated(net, np.isin(np.arange(net.n_nodes), net.outputs), "identity"), batch


def outputs_like_targets(net: Network, batch: Batch, finding: Finding) -> tuple[Network, Batch] | None:
    """Set the outputs' biases to the targets' means, and scale what leads there to the targets' deviations."""
    y = np.asarray(batch.y, np.float64).reshape(len(batch.x), -1)
    if y.shape[1] != net.n_outputs or any(net.activations[j] != "identity" for j in net.outputs.tolist()):
        return None
    output = net.forward(batch.x).output.reshape(y.shape)
    weight, bias = net.weight.astype(np.float64), net.bias.copy()
    for j, target, given in zip(net.outputs.tolist(), y.T, output.T, strict=True):
        factor = float(target.std() / given.std()) if given.std() > 0 else 1.0
        weight[_in_arcs(net, j)] *= factor
        bias[j] = target.mean() - factor * (given.mean() - net.bias[j])
    return net.replace(weight=_shared(net.tie, weight), bias=_shared(net.bias_tie, bias)), batch


def _activated(net: Network, chosen: Bools, name: str) -> Network:
    pairs = zip(net.activations, chosen.tolist(), strict=True)
    return net.replace(activation=[name if is_chosen else activation for activation, is_chosen in pairs])


def _chosen(net: Network, finding: Finding) -> Bools:
    chosen = np.zeros(net.n_nodes, np.bool_)
    chosen[list(finding.nodes)] = True
    return chosen


def _in_arcs(net: Network, node: int) -> FloatArray:
    at = net.plan.position[node]
    return net.plan.in_edge[net.plan.in_start[at] : net.plan.in_start[at + 1]]


def _shared(tie: IntArray | None, array: FloatArray) -> FloatArray:
    """Weights or biases that are tied, as the mean of what each of them was to become."""
    if tie is None:
        return array
    mean: FloatArray = (np.bincount(tie, array) / np.bincount(tie))[tie]
    return mean


REMEDIES: dict[str, Change] = {
    "balanced_weights": balanced_weights,
    "unit_sums": unit_sums,
    "relu": _of_hidden("relu"),
    "tanh": _of_hidden("tanh"),
    "leaky_units": leaky_units,
    "open_biases": open_biases,
    "redrawn_weights": redrawn_weights,
    "skip_arcs": skip_arcs,
    "standardised_inputs": standardised_inputs,
    "identity_outputs": identity_outputs,
    "outputs_like_targets": outputs_like_targets,
}

FOR: dict[tuple[str, str], tuple[str, ...]] = {
    ("vanishing_gradient", "gates"): ("relu", "tanh", "unit_sums", "balanced_weights"),
    ("vanishing_gradient", "weights"): ("balanced_weights", "unit_sums", "skip_arcs"),
    ("vanishing_gradient", "interference"): ("redrawn_weights",),
    ("vanishing_gradient", "structure"): ("skip_arcs", "balanced_weights"),
    ("exploding_gradient", "weights"): ("balanced_weights", "unit_sums"),
    ("exploding_gradient", "gates"): ("balanced_weights", "tanh"),
    ("exploding_gradient", "interference"): ("redrawn_weights",),
    ("dead_units", "gates"): ("open_biases", "unit_sums", "leaky_units"),
    ("saturated_units", "gates"): ("unit_sums", "relu", "standardised_inputs"),
    ("symmetric_units", "weights"): ("redrawn_weights",),
    ("zero_weights", "weights"): ("redrawn_weights",),
    ("input_scales", "data"): ("standardised_inputs",),
    ("output_mismatch", "structure"): ("identity_outputs",),
    ("output_mismatch", "data"): ("identity_outputs",),
    ("loss_far_from_chance", "data"): ("outputs_like_targets",),
    ("loss_far_from_chance", "weights"): ("unit_sums",),
}
"""What is tried for a finding, by its code and cause."""
