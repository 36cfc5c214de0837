"""Networks from a few numbers: layered ones and random ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from edgewise import activations, initializers
from edgewise.errors import GraphError
from edgewise.network import Network


def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    output_activation: str = "identity",
    *,
    initializer: str | None = None,
    seed: int | np.random.Generator = 0,
    dtype: DTypeLike = "float64",
) -> Network:
    """A layerwise network (multilayer perceptron): every node of a layer feeds every node of the next.

    sizes : width of each layer, the inputs first, at least two.
    initializer : a name of `edgewise.initializers.NAMES`; None chooses by activation (He for the ReLU family).
    seed : decides the weights; biases are 0.

    `net.layers[l].weight` is the (n_out, n_in) matrix of layer l, a writable view of `net.weight`.
    """
    widths = [_width(size, k) for k, size in enumerate(sizes)]
    if len(widths) < 2:
        raise GraphError(f"sizes is {list(sizes)}; give at least two: the inputs and the outputs")
    for name in (activation, output_activation):
        activations.get(name)
    rng = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(widths)])
    tails, heads, weights = [], [], []
    for layer in range(1, len(widths)):
        n_in, n_out = widths[layer - 1], widths[layer]
        tails.append(np.tile(np.arange(first[layer - 1], first[layer]), n_out))
        heads.append(np.repeat(np.arange(first[layer], first[layer + 1]), n_in))
        used = output_activation if layer == len(widths) - 1 else activation
        weights.append(initializers.of_matrix(initializer or initializers.default_for(used), rng, n_out, n_in).ravel())
    n = int(first[-1])
    return Network(
        np.concatenate(tails),
        np.concatenate(heads),
        np.concatenate(weights),
        activation=[activation] * int(first[-2]) + [output_activation] * widths[-1],
        inputs=np.arange(widths[0]),
        outputs=np.arange(first[-2], n),
        dtype=dtype,
    )


def _width(size: Any, k: int) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise GraphError(f"sizes[{k}] is {size!r}; each must be a whole number ≥ 1")
    return int(size)


def random_dag(
    n_nodes: int,
    n_edges: int,
    *,
    n_inputs: int,
    n_outputs: int = 1,
    activation: str = "relu",
    output_activation: str = "identity",
    initializer: str | None = None,
    seed: int | np.random.Generator = 0,
    dtype: DTypeLike = "float64",
) -> Network:
    """A random network in which a neuron may be fed by any earlier node: skip arcs everywhere, no parallel arcs.

    Every neuron has at least one in-arc; the others are drawn uniformly from all pairs that are left. The first
    n_inputs nodes are inputs, the last n_outputs outputs.
    """
    n_neurons = n_nodes - n_inputs
    if min(n_inputs, n_outputs) < 1 or n_outputs > n_neurons:
        raise GraphError("give at least one input and one output, and at least as many neurons as outputs")
    most = n_neurons * n_inputs + n_neurons * (n_neurons - 1) // 2
    if not n_neurons <= n_edges <= most:
        raise GraphError(f"{n_edges} edges; {n_neurons} neurons need {n_neurons} to {most}, one for each at least")
    rng = np.random.default_rng(seed)
    # the pair (i, j), i < j, is numbered by the pairs before it: those of earlier heads, then those of earlier tails
    heads = np.arange(n_inputs, n_nodes)
    before = np.concatenate([[0], np.cumsum(heads)])
    sure = before[:-1] + rng.integers(0, heads)
    chosen = np.sort(sure)
    while len(chosen) < n_edges:
        wanted = n_edges - len(chosen)
        if wanted > (most - len(chosen)) // 2:  # few pairs are left: draw from a list of them
            extra = rng.choice(np.delete(np.arange(most), chosen), wanted, replace=False)
        else:
            extra = rng.integers(0, most, wanted)
        chosen = np.sort(np.concatenate([chosen, extra]))
        chosen = chosen[np.diff(chosen, prepend=-1) > 0]
    row = np.searchsorted(before, chosen, side="right") - 1
    tail, head = chosen - before[row], row + n_inputs
    fan_in, fan_out = np.bincount(head, minlength=n_nodes), np.bincount(tail, minlength=n_nodes)
    weight = initializers.of_edges(
        initializer or initializers.default_for(activation), rng, fan_in[head], fan_out[tail]
    )
    return Network(
        tail,
        head,
        weight,
        activation=[activation] * (n_nodes - n_outputs) + [output_activation] * n_outputs,
        inputs=np.arange(n_inputs),
        outputs=np.arange(n_nodes - n_outputs, n_nodes),
        dtype=dtype,
    )
