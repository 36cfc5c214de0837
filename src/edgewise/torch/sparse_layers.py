"""Linear layers of which only the arcs that there are, are stored and computed."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.network import Network
from edgewise.torch.graph_module import GraphModule
from edgewise.torch.plain import activation


class SparseLayers(GraphModule):
    """Linear layers, each followed by an activation of Edgewise's table, of which only the arcs that there are, are
    stored and computed.

    `weight` (n_arcs,), in the engine's order: `places` says where in which matrix each is; `bias` (n_nodes,), of which
    those of the inputs mean nothing: frozen at 0 if the layers have none. A state dict says where the arcs are, and is
    refused by layers with others.
    """

    keeps_structure = True

    def __init__(self, linears: Sequence[nn.Linear], activations: Sequence[str], *, threads: int | None = None) -> None:
        """The arcs are those of a mask of torch.nn.utils.prune, else the weights that are not 0. Either all of the
        layers have a bias or none, and either all of their weights are trained or none."""
        self.sizes = [linears[0].in_features, *(linear.out_features for linear in linears)]
        first = np.cumsum([0, *self.sizes])
        tails, heads, weights = [], [], []
        for k, linear in enumerate(linears):
            matrix, there = weights_and_arcs(linear)
            row, column = (places.numpy() for places in there.nonzero(as_tuple=True))
            heads.append(row + first[k + 1])
            tails.append(column + first[k])
            weights.append(matrix.numpy()[row, column])
        self.has_bias = linears[0].bias is not None
        bias = np.zeros(first[-1])
        if self.has_bias:
            bias[self.sizes[0] :] = np.concatenate([linear.bias.detach().numpy() for linear in linears])
        names = np.repeat(["identity", *activations], self.sizes)
        net = Network(
            np.concatenate(tails),
            np.concatenate(heads),
            np.concatenate(weights),
            bias=bias,
            activation=names.tolist(),
            inputs=np.arange(self.sizes[0]),
            outputs=np.arange(first[-2], first[-1]),
            dtype=weights[0].dtype,
        )
        self._node, net = net.plan.order.copy(), _in_its_own_order(net)
        super().__init__(net, threads=threads)
        self.activations = tuple(activations)
        self.weight.requires_grad_(own_weight(linears[0]).requires_grad)
        self.bias.requires_grad_(self.has_bias and linears[0].bias.requires_grad)
        self.train(linears[0].training)

    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each of the weights (E,) the layer, from 0, and the row and column it has in that layer's matrix."""
        first = np.cumsum([0, *self.sizes])
        tail, head = self._node[self._net.tail], self._node[self._net.head]
        layer = np.searchsorted(first, head, side="right") - 2
        found = layer, head - first[layer + 1], tail - first[layer]
        layers, rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in found)
        return layers, rows, columns

    def to_layers(self) -> nn.Sequential:
        """Dense layers with the same numbers, 0 where there is no arc, and their activations."""
        modules: list[nn.Module] = []
        first = np.cumsum([0, *self.sizes])
        layer, row, column = self.places()
        with torch.no_grad():
            bias = torch.empty_like(self.bias)
            bias[torch.from_numpy(self._node).long()] = self.bias
            for k, name in enumerate(self.activations):
                linear = nn.Linear(self.sizes[k], self.sizes[k + 1], bias=self.has_bias, dtype=self.weight.dtype)
                here = layer == k
                linear.weight.zero_()
                linear.weight[row[here], column[here]] = self.weight[here]
                if self.has_bias:
                    linear.bias.copy_(bias[first[k + 1] : first[k + 2]])
                modules += [linear] if name == "identity" else [linear, activation(name)]
        return nn.Sequential(*modules).train(self.training)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        given = state_dict.get(f"{prefix}structure")
        if given is not None and not torch.equal(given, self.structure):
            errors: list[str] = rest[-1]
            errors.append(f"the arcs of {prefix[:-1] or 'the layer'} are others than those of the state dict")
            return
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        density = self._net.n_edges / sum(a * b for a, b in pairwise(self.sizes))
        return f"{' → '.join(map(str, self.sizes))}, {', '.join(self.activations)}, density={density:.3g}"


class SparseLinear(SparseLayers):
    """An `nn.Linear` of which only the arcs that there are, are stored and computed; see `SparseLayers`."""

    def __init__(self, linear: nn.Linear, *, threads: int | None = None) -> None:
        super().__init__([linear], ["identity"], threads=threads)

    def to_linear(self) -> nn.Linear:
        """A dense layer with the same numbers, 0 where there is no arc."""
        linear = self.to_layers()[0]
        assert isinstance(linear, nn.Linear)
        return linear

    def extra_repr(self) -> str:
        density = self._net.n_edges / (self.n_inputs * self.n_outputs)
        return f"in_features={self.n_inputs}, out_features={self.n_outputs}, density={density:.3g}"


def _in_its_own_order(net: Network) -> Network:
    """The same with nodes and edges numbered as the engine goes through them: so it reads the weights as they lie,
    where each step of training brings new ones."""
    position, edge, order = net.plan.position, net.plan.in_edge, net.plan.order
    return Network(
        position[net.tail[edge]],
        position[net.head[edge]],
        net.weight[edge],
        bias=net.bias[order],
        activation=np.array(net.activations)[order].tolist(),
        inputs=position[net.inputs],
        outputs=position[net.outputs],
        dtype=net.dtype,
    )


def own_weight(linear: nn.Linear) -> Tensor:
    """The parameter; under a mask it has another name."""
    return getattr(linear, "weight_orig", linear.weight)


def weights_and_arcs(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """(n_out, n_in) weights and whether there is an arc."""
    mask = getattr(linear, "weight_mask", None)
    weight = own_weight(linear).detach()
    return weight, weight != 0 if mask is None else mask != 0
