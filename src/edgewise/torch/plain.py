"""A network as plain PyTorch: for those who need what the engine does not have, or who leave.

Values and first derivatives are the engine's, up to rounding, at kinks too. A layerwise network becomes `nn.Linear`s
and activations; any other a module that goes from level to level with `index_add` and the like.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise.activations import LEAKY_SLOPE
from edgewise.errors import GraphError
from edgewise.network import Network

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_tanh": lambda s: s.clamp(-1, 1),  # whose derivative at ±1 is 1, unlike that of nn.Hardtanh
    "clamped": lambda s: s.clamp(-1, 1),
    "hat": lambda s: torch.relu(1 - s.abs()),
    "gaussian": lambda s: torch.exp(-s * s),
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "cube": lambda s: s * s * s,
    "reciprocal": torch.reciprocal,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "neat_sin": lambda s: torch.sin((5 * s).clamp(-60, 60)),
    "neat_softplus": lambda s: 0.2 * torch.log1p(torch.exp((5 * s).clamp(-60, 60))),
    "neat_lelu": lambda s: torch.where(s > 0, s, 0.005 * s),
    "neat_inv": lambda s: torch.where(s == 0, 0, 1 / torch.where(s == 0, 1, s)),  # no NaN finds its way back
    "neat_log": lambda s: torch.log(torch.where(s <= 1e-7, 1e-7, s)),
    "neat_exp": lambda s: torch.exp(s.clamp(-60, 60)),
}


class Elementwise(nn.Module):
    """An activation of the table that PyTorch has no module for, or one with another derivative at a kink."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, s: Tensor) -> Tensor:
        return FUNCTIONS[self.name](s)

    def extra_repr(self) -> str:
        return self.name


MODULES: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "identity": nn.Identity,
    "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": lambda: nn.Softplus(threshold=40),  # beyond which it is s to the last bit
    "softsign": nn.Softsign,
}


def activation(name: str) -> nn.Module:
    """The row of Edgewise's table called `name`, as a module; GraphError for one of a user's own."""
    if name in MODULES:
        return MODULES[name]()
    if name in FUNCTIONS:
        return Elementwise(name)
    raise GraphError(f"the activation {name!r} was registered in Python; PyTorch knows nothing of it")


def to_module(net: Network) -> nn.Module:
    """The network as a module of nothing but PyTorch's own operations, with parameters of its own.

    x (…, n_inputs) to (…, n_outputs), in the network's dtype. It is differentiable as often as wanted, on any device;
    `GraphModule` is the faster one. GraphError for an activation registered from Python.
    """
    return _as_layers(net) or PlainGraph(net)


def _as_layers(net: Network) -> nn.Sequential | None:
    """None if it cannot be."""
    try:
        layers = net.layers
    except GraphError:
        return None
    free = net.tie is None and net.bias_tie is None
    plain = free and set(net.aggregations) == {"sum"} and (net.response[~net.is_input] == 1).all()
    names = [layer.activation for layer in layers]
    if not plain or not layers or not np.array_equal(net.outputs, layers[-1].nodes):
        return None
    modules: list[nn.Module] = []
    for layer, name in zip(layers, names, strict=True):
        if not isinstance(name, str):
            return None
        linear = nn.Linear(len(layer.tails), len(layer.nodes)).to(torch.from_numpy(layer.weight).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer.weight))
            linear.bias.copy_(torch.from_numpy(layer.bias))
        modules.append(linear)
        if name != "identity":
            modules.append(activation(name))
    return nn.Sequential(*modules)


# ---- any graph ----


class PlainGraph(nn.Module):
    """A network level by level. Its parameters are those of `GraphModule`, by the same names."""

    inputs: Tensor
    outputs: Tensor

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = net.n_inputs, net.n_outputs
        self.weight = nn.Parameter(torch.tensor(net.weight_ties.once(net.weight)))
        self.bias = nn.Parameter(torch.tensor(net.bias_ties.once(net.bias)))
        own = bool((net.response[~net.is_input] != 1).any())
        self.register_parameter("response", nn.Parameter(torch.tensor(net.response)) if own else None)
        plan, n = net.plan, net.n_nodes
        level = np.empty(n, np.int64)
        level[plan.order] = np.repeat(np.arange(plan.n_levels), np.diff(plan.level_start))
        order = np.lexsort((plan.position, net.activation_code, net.is_input, level))  # a row each
        row = np.empty(n, np.int64)
        row[order] = np.arange(n)
        tie = np.arange(net.n_edges) if net.tie is None else net.tie.astype(np.int64)
        self.levels = nn.ModuleList(
            _Level(net, order[a:b], row, tie) for a, b in zip(plan.level_start[:-1], plan.level_start[1:], strict=True)
        )
        # inputs are the last rows of the first level
        of_inputs = np.argsort(row[net.inputs])
        self.register_buffer("inputs", torch.tensor(of_inputs), persistent=False)
        self.register_buffer("outputs", torch.tensor(row[net.outputs]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, n_outputs) of x (…, n_inputs)."""
        samples = x.reshape(-1, self.n_inputs).T
        values = samples.index_select(0, self.inputs)
        for number, level in enumerate(self.levels):
            here = level(values, self.weight, self.bias, self.response)
            values = torch.cat([here, values] if number == 0 else [values, here])
        return values.index_select(0, self.outputs).T.reshape(*x.shape[:-1], self.n_outputs)


class _Level(nn.Module):
    """The neurons of one level: s = b + r·agg, then their activations."""

    node: Tensor
    parameter: Tensor

    def __init__(self, net: Network, nodes: NDArray[np.int64], row: NDArray[np.int64], tie: NDArray[np.int64]) -> None:
        super().__init__()
        neurons = nodes[~net.is_input[nodes]]
        self.register_buffer("node", torch.tensor(neurons), persistent=False)
        own = np.arange(net.n_nodes) if net.bias_tie is None else net.bias_tie.astype(np.int64)
        self.register_buffer("parameter", torch.tensor(own[neurons]), persistent=False)
        place = np.full(net.n_nodes, -1)
        place[neurons] = np.arange(len(neurons))
        used = [name for name in net.aggregation_names if name in {net.aggregations[j] for j in neurons.tolist()}]
        of_name = {name: [j for j in neurons.tolist() if net.aggregations[j] == name] for name in used}
        self.parts = nn.ModuleList(
            _Aggregation(name, net, np.array(heads), place, row, tie) for name, heads in of_name.items()
        )
        codes = net.activation_code[neurons]
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        self.sizes = np.diff(first, append=len(codes)).tolist()
        self.activations = nn.ModuleList(activation(net.activation_names[codes[k]]) for k in first)

    def forward(self, values: Tensor, weight: Tensor, bias: Tensor, response: Tensor | None) -> Tensor:
        """(neurons, B) of all rows before, (rows, B)."""
        s = values.new_zeros((len(self.node), values.shape[1]))
        for part in self.parts:
            s = part(s, values, weight)
        if response is not None:
            s = s * response[self.node, None]
        s = s + bias[self.parameter, None]
        return torch.cat(
            [apply(part) for apply, part in zip(self.activations, s.split(self.sizes), strict=True)] or [s]
        )


class _Aggregation(nn.Module):
    """Heads of one level that aggregate alike."""

    head: Tensor
    tail: Tensor
    parameter: Tensor
    heads: Tensor
    count: Tensor
    terms: Tensor
    absent: Tensor

    def __init__(
        self,
        name: str,
        net: Network,
        heads: NDArray[np.int64],
        place: NDArray[np.intp],
        row: NDArray[np.int64],
        tie: NDArray[np.int64],
    ) -> None:
        super().__init__()
        self.name = name
        start, edge, position = net.plan.in_start, net.plan.in_edge, net.plan.position[heads]
        counts = start[position + 1] - start[position]
        heads, position, counts = heads[counts > 0], position[counts > 0], counts[counts > 0]
        edges = np.concatenate([np.zeros(0, np.int32), *(edge[start[p] : start[p + 1]] for p in position)])
        width = int(counts.max(initial=0))
        first = np.cumsum(counts) - counts
        along = np.arange(width)
        buffers = {
            "head": place[net.head[edges]],
            "tail": row[net.tail[edges]],
            "parameter": tie[edges],
            "heads": place[heads],
            "count": counts.astype(np.int64),
            # the terms of each head side by side; where it has fewer than others, some other term that is left out
            "terms": np.minimum(first[:, None] + along, max(len(edges) - 1, 0)),
            "absent": along >= counts[:, None],
        }
        for what, array in buffers.items():
            self.register_buffer(what, torch.tensor(array), persistent=False)

    def forward(self, s: Tensor, values: Tensor, weight: Tensor) -> Tensor:
        """s (neurons, B) with the aggregates of these heads put in."""
        if not len(self.heads):
            return s
        terms = weight[self.parameter, None] * values.index_select(0, self.tail)
        if self.name in ("sum", "mean"):
            if self.name == "mean":
                terms = terms / self.count.repeat_interleave(self.count)[:, None]
            return s.index_add(0, self.head, terms)
        return s.index_add(0, self.heads, self._of_each(terms[self.terms], self.absent[..., None]))

    def _of_each(self, terms: Tensor, absent: Tensor) -> Tensor:
        """(heads, B) of (heads, width, B)."""
        if self.name == "product":
            return terms.masked_fill(absent, 1).prod(dim=1)
        if self.name == "median":
            ordered = terms.masked_fill(absent, torch.inf).sort(dim=1, stable=True).values
            middle = [((self.count - 1) // 2), self.count // 2]
            lower, upper = (ordered.take_along_dim(k[:, None, None], dim=1)[:, 0] for k in middle)
            return (lower + upper) / 2
        key = {"max": terms, "min": -terms, "maxabs": terms.abs()}[self.name].detach()
        first = key.masked_fill(absent, -torch.inf).argmax(dim=1, keepdim=True)  # of equals the first takes all
        return terms.take_along_dim(first, dim=1)[:, 0]

    def extra_repr(self) -> str:
        return f"{self.name} of {len(self.parameter)} arcs into {len(self.heads)} nodes"
