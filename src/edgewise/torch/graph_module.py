"""A network as a PyTorch module, its passes run by the engine."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.torch.graph_function import GraphFunction, describe, forward, graph, with_parameters


class GraphModule(nn.Module):
    """Any network as an `nn.Module` on the CPU, whose forward and backward passes are the engine's.

    Parameters (of the module, in the network's order): `weight` (E,) and `bias` (N,), or where they are tied one per
    tie; `response` (N,) if the network has any other than 1. Biases of inputs mean nothing and have gradient 0.

    threads : at most how many to use; None is as many as PyTorch does. The numbers do not depend on it.

    A call takes x (…, n_inputs) in the parameters' dtype, float32 or float64, and gives (…, n_outputs). Only the
    gradients that are asked for are computed. Inside torch.autocast it computes in its own dtype. DataError for what
    does not fit. A NaN goes through, as it does everywhere in PyTorch.
    """

    weight: Tensor
    bias: Tensor
    response: Tensor | None
    structure: Tensor
    keeps_structure = False
    """Whether a state dict has it."""

    def __init__(self, net: Network, *, threads: int | None = None) -> None:
        super().__init__()
        self._net = net.with_own_parameters()
        self._threads = 0 if threads is None else threads
        self._bound: tuple[Any, Network] | None = None
        self.n_inputs, self.n_outputs = net.n_inputs, net.n_outputs
        self.weight = nn.Parameter(torch.tensor(net.weight_ties.once(net.weight)))
        self.bias = nn.Parameter(torch.tensor(net.bias_ties.once(net.bias)))
        own = bool((net.response[~net.is_input] != 1).any())
        self.register_parameter("response", nn.Parameter(torch.from_numpy(net.response.copy())) if own else None)
        self._describe()

    def _describe(self) -> None:
        structure, self._description = describe(self._net)
        self.register_buffer("structure", structure, persistent=self.keeps_structure)

    def __getstate__(self) -> dict[str, Any]:
        """For a copy, or another process."""
        return self.__dict__ | {"_bound": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._describe()

    def _with(self, weight: Tensor, bias: Tensor, response: Tensor | None) -> Network:
        """The network whose parameters lie in the memory of these; made again only where that is another's."""
        tied = self._net.tie is not None or self._net.bias_tie is not None
        if tied or not weight.is_contiguous() or not bias.is_contiguous():
            return with_parameters(self._net, weight, bias, response)
        where = weight.data_ptr(), bias.data_ptr(), weight.dtype, response is None or response.data_ptr()
        bound = self._bound  # what it holds keeps that memory from becoming another tensor's
        if bound is None or bound[0] != where:
            bound = self._bound = where, with_parameters(self._net, weight, bias, response)
        return bound[1]

    def _read(self) -> tuple[Tensor, Tensor, Tensor | None]:
        own: dict[str, Any] = self._parameters
        try:
            return own["weight"], own["bias"], own["response"]  # a third of the time that attributes take
        except KeyError:  # pruned or parametrized: made of other parameters
            return self.weight, self.bias, self.response

    def forward(self, x: Tensor) -> Tensor:
        """(…, n_outputs) of x (…, n_inputs)."""
        weight, bias, response = self._read()
        if x.dtype != weight.dtype or x.device.type != "cpu" or x.shape[-1:] != (self.n_inputs,):
            x = self._fitting(x)
        samples = x if x.dim() == 2 else x.reshape(-1, self.n_inputs)
        if torch.compiler.is_compiling() or not len(samples):
            output = graph(
                samples, weight, bias, response, self.structure, self._description, self.n_outputs, self._threads
            )
        elif torch.is_grad_enabled() and (
            samples.requires_grad
            or weight.requires_grad
            or bias.requires_grad
            or (response is not None and response.requires_grad)
        ):
            network = self._with(weight, bias, response)
            output = GraphFunction.apply(network, self._threads, samples, weight, bias, response)
        else:
            output = forward(self._with(weight, bias, response), samples, self._threads)
        return output if x.dim() == 2 else output.reshape(*x.shape[:-1], self.n_outputs)

    def _fitting(self, x: Tensor) -> Tensor:
        """x in the module's own dtype, inside torch.autocast; DataError if it cannot be."""
        own = self.weight.dtype
        if x.device.type != "cpu" or self.weight.device.type != "cpu":
            raise DataError(
                f"x is on {x.device} and the parameters on {self.weight.device}; GraphModule computes on the CPU: "
                "move both there, with .cpu()"
            )
        if own not in (torch.float32, torch.float64):
            raise DataError(f"the parameters are {own}; GraphModule computes in float32 or float64: call .float()")
        if x.dim() == 0 or x.shape[-1] != self.n_inputs:
            raise DataError(
                f"x has shape {tuple(x.shape)}; the network's {self.n_inputs} inputs need (…, {self.n_inputs})"
            )
        if x.dtype != own and not (x.is_floating_point() and torch.is_autocast_enabled("cpu")):
            raise DataError(f"x is {x.dtype} and the parameters are {own}; hand in x.to({own})")
        return x.to(own)

    def network(self) -> Network:
        """A network of its own with the weights as they are now. GraphError if one is not finite."""
        weight = self.weight.detach().numpy()
        net = self._net
        return net.replace(
            weight=net.weight_ties.spread(weight),
            bias=net.bias_ties.spread(self.bias.detach().numpy()),
            response=np.ones(net.n_nodes) if self.response is None else self.response.detach().numpy(),
            dtype=weight.dtype,
        )

    def extra_repr(self) -> str:
        net = self._net
        return f"{net.n_nodes} nodes, {net.n_edges} edges, {self.n_inputs} inputs, {self.n_outputs} outputs"
