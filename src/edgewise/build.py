"""Networks from a few numbers: layered ones and random ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgewise import activations, initializers
from edgewise.errors import GraphError
from edgewise.network import Network

if TYPE_CHECKING:
    from numpy.random import Generator


def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    output_activation: str = "identity",
    *,
    density: float = 1.0,
    distribution: Literal["uniform", "erdos_renyi"] = "erdos_renyi",
    initializer: str | None = None,
    seed: "int | Generator" = 0,
    dtype: DTypeLike = "float64",
) -> Network:
    """A layerwise network (multilayer perceptron): every node of a layer feeds every node of the next, or some do.

    sizes : width of each layer, the inputs first, at least two.
    density, distribution : below 1, so large a share of all arcs is drawn at random, and at least one into each neuron.
        "uniform" gives every layer this share; "erdos_renyi" gives one in proportion to (n_in + n_out) / (n_in·n_out),
        more to small layers (Mocanu et al. 2018), and all of its arcs to a layer that would get more than all.
    initializer : a name of `edgewise.initializers.NAMES`; None chooses by activation (He for the ReLU family).
    seed : decides the weights; biases are 0.

    `net.layers[l].weight` is the (n_out, n_in) matrix of layer l, a writable view of `net.weight`, where all arcs are
    there.
    """
    widths = [_width(size, k) for k, size in enumerate(sizes)]
    if len(widths) < 2:
        raise GraphError(f"sizes is {list(sizes)}; give at least two: the inputs and the outputs")
    for name in (activation, output_activation):
        activations.get(name)
    rng = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(widths)])
    shares = layer_densities(widths, density, distribution)
    tails, heads, weights = [], [], []
    for layer, share in enumerate(shares, 1):
        n_in, n_out = widths[layer - 1], widths[layer]
        used = initializer or initializers.default_for(output_activation if layer == len(widths) - 1 else activation)
        if share == 1:
            arc = np.arange(n_in * n_out)
            weights.append(initializers.of_matrix(used, rng, n_out, n_in).ravel())
        else:
            one_each = np.arange(n_out) * n_in + rng.integers(0, n_in, n_out)
            arc = distinct(rng, one_each, max(n_out, round(share * n_in * n_out)), n_in * n_out)
            fan_in, fan_out = np.bincount(arc // n_in, minlength=n_out), np.bincount(arc % n_in, minlength=n_in)
            weights.append(initializers.of_edges(used, rng, fan_in[arc // n_in], fan_out[arc % n_in]))
        tails.append(first[layer - 1] + arc % n_in)
        heads.append(first[layer] + arc // n_in)
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


def layer_densities(sizes: Sequence[int], density: float, distribution: str = "erdos_renyi") -> list[float]:
    """The share of its arcs that each layer of `mlp` gets, so that all layers together have the share `density`."""
    return densities(np.array(sizes[:-1]), np.array(sizes[1:]), density, distribution)


def densities(
    n_tails: NDArray[Any], n_heads: NDArray[Any], density: float, distribution: str = "erdos_renyi"
) -> list[float]:
    """The shares for any pairs of sets of nodes, from how many tails and heads each has."""
    if isinstance(density, bool) or not isinstance(density, int | float | np.number) or not 0 < density <= 1:
        raise GraphError(f"density must be a number above 0 and at most 1, not {density!r}")
    if distribution not in ("uniform", "erdos_renyi"):
        raise GraphError(f"there is no distribution {distribution!r}; use uniform or erdos_renyi")
    n_arcs = np.asarray(n_tails, float) * n_heads
    if distribution == "uniform" or density == 1:
        return [float(density)] * len(n_arcs)
    wanted = np.where(n_arcs > 0, np.asarray(n_tails, float) + n_heads, 0)  # arcs, but for a common factor
    whole = n_arcs == 0  # pairs that get all of theirs: the others share what is left
    while not whole.all():
        factor = (density * n_arcs.sum() - n_arcs[whole].sum()) / wanted[~whole].sum()
        more = ~whole & (factor * wanted > n_arcs)
        if not more.any():
            break
        whole |= more
    return [
        1.0 if all_of_them else float(factor * w / n) for all_of_them, w, n in zip(whole, wanted, n_arcs, strict=True)
    ]


def distinct(rng: "Generator", sure: NDArray[Any], count: int, most: int) -> NDArray[Any]:
    """`count` different numbers below `most`, in rising order: those that are sure, and others drawn uniformly."""
    chosen = np.sort(sure)
    while len(chosen) < count:
        wanted = count - len(chosen)
        if wanted > (most - len(chosen)) // 2:  # few are left: draw from a list of them
            extra = rng.choice(np.delete(np.arange(most), chosen), wanted, replace=False)
        else:
            extra = rng.integers(0, most, wanted)
        chosen = np.sort(np.concatenate([chosen, extra]))
        chosen = chosen[np.diff(chosen, prepend=-1) > 0]
    return chosen


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
    seed: "int | Generator" = 0,
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
    chosen = distinct(rng, before[:-1] + rng.integers(0, heads), n_edges, most)
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
