"""The two passes over a network as one step of PyTorch's autograd.

There are two ways in, to the same passes. `GraphFunction` is for eager code: it keeps the forward pass until its
backward pass, and each call has its own. `edgewise::graph` is an operator that torch.compile and torch.export know:
it keeps nothing, so that its backward pass runs the forward pass once more, and it is told the structure as a tensor,
so that an exported program needs nothing but `import edgewise.torch` to run elsewhere.

Parameters are PyTorch's: one weight per edge and one bias per node, or one per tie, and one response per node. Their
memory is read where it lies, and results are handed over as they come from the core.
"""

import hashlib
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import FunctionCtx

from edgewise import engine
from edgewise.arrays import FloatArray, IntArray
from edgewise.engine.native import shared_team
from edgewise.errors import EdgewiseError
from edgewise.network import Network
from edgewise.objective import GivenGradient

Gradients = list[Tensor | None]
"""Of x, weight, bias and response; None for those not asked for."""
DOUBLE_BACKWARD = (
    "Edgewise gives first derivatives; the gradient of a gradient was asked for. Use edgewise.torch.to_module(net), "
    "plain PyTorch, for that"
)


# ---- the passes, from tensors to tensors ----


def _numbers(tensor: Tensor) -> FloatArray:
    array: FloatArray = (tensor.detach() if tensor.requires_grad else tensor).numpy()
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def with_parameters(structure: Network, weight: Tensor, bias: Tensor, response: Tensor | None) -> Network:
    of_edges = structure.weight_ties.spread(_numbers(weight))
    of_nodes = structure.bias_ties.spread(_numbers(bias))
    of_responses = np.ones_like(of_nodes) if response is None else _numbers(response)
    return structure.with_parameters(of_edges, of_nodes, of_responses)


def _threads(threads: int) -> int:
    """As many as PyTorch uses where nothing else is asked for."""
    return threads or torch.get_num_threads()


@shared_team()
def forward(network: Network, x: Tensor, threads: int) -> Tensor:
    """(B, n_outputs) of x (B, n_inputs), B ≥ 1, of which nobody will ask a gradient."""
    return torch.from_numpy(engine.forward(None, network, _numbers(x), _threads(threads)).output())


def _begin(network: Network, x: Tensor, threads: int) -> Any:
    """A forward pass that a backward pass may follow."""
    return engine.both(None, network, _numbers(x), _threads(threads))


@shared_team()
def _end(structure: Network, begun: Any, gradient: Tensor, wanted: tuple[bool, ...]) -> Gradients:
    """What is wanted of the gradients of x, weight, bias and response, from that of the outputs (B, n_outputs)."""
    passes = begun.backward(GivenGradient(structure.outputs, _numbers(gradient)))
    found: Gradients = [None, None, None, None]
    if wanted[1]:  # each edge of a tie has the sum over it, and so each node
        found[1] = torch.from_numpy(structure.weight_ties.once(passes.weight_gradient(1.0)[0]))
    if wanted[2]:
        found[2] = torch.from_numpy(structure.bias_ties.once(passes.bias_gradient(1.0)[0]))
    if wanted[3]:
        found[3] = torch.from_numpy(passes.response_gradient(1.0)[0])
    if wanted[0]:
        found[0] = torch.from_numpy(passes.input_gradient()[0])
    return found


# ---- eager ----


class GraphFunction(torch.autograd.Function):
    """(network, threads, x, weight, bias, response or None) -> (B, n_outputs); the network has these parameters."""

    @staticmethod
    def forward(
        ctx: Any, network: Network, threads: int, x: Tensor, weight: Tensor, bias: Tensor, response: Tensor | None
    ) -> Tensor:
        with shared_team():
            begun = _begin(network, x, threads)
            output = torch.from_numpy(begun.output())
        ctx.network, ctx.threads, ctx.begun = network, threads, [begun]
        ctx.save_for_backward(x, weight, bias, response)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        given = ctx.saved_tensors  # which says so if one was changed since, or the graph is freed
        try:
            begun = ctx.begun.pop()
        except IndexError:  # backward again, of a graph that was retained
            begun = _begin(ctx.network, given[0], ctx.threads)
        found = _end(ctx.network, begun, gradients[0], ctx.needs_input_grad[2:])
        if torch.is_grad_enabled():  # create_graph=True
            found = [None if one is None else _OnlyOnce.apply(one, gradients[0], *given) for one in found]
        return None, None, *found


class _OnlyOnce(torch.autograd.Function):
    """A gradient, which has none of its own."""

    @staticmethod
    def forward(ctx: FunctionCtx, gradient: Tensor, *given: Tensor | None) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:
        raise EdgewiseError(DOUBLE_BACKWARD)


# ---- compiled and exported ----


_known: WeakValueDictionary[str, Network] = WeakValueDictionary()
_rebuilt: dict[str, Network] = {}
"""Structures of exported programs, whose modules are not here."""


def describe(network: Network) -> tuple[Tensor, str]:
    """All of a structure as an int32 tensor and a str, for `edgewise::graph`; the network is known by them from now.

    The tensor is the number of nodes, the lengths of seven arrays, these, and `bias_tie` where there is one: what was
    exported when there was none can still be read.
    """
    tie = np.zeros(0, np.int32) if network.tie is None else network.tie
    parts: tuple[NDArray[Any], ...] = (
        network.tail,
        network.head,
        tie,
        network.inputs,
        network.outputs,
        network.activation_code,
        network.aggregation_code,
    )
    bias_tie = np.zeros(0, np.int32) if network.bias_tie is None else network.bias_tie
    flat = np.concatenate([[network.n_nodes, *map(len, parts)], *parts, bias_tie]).astype(np.int32)
    names = f"{','.join(network.activation_names)};{','.join(network.aggregation_names)}"
    description = f"{names};{hashlib.sha256(flat.tobytes() + names.encode()).hexdigest()}"
    _known[description] = network
    return torch.from_numpy(flat), description


def _structure(tensor: Tensor, description: str) -> Network:
    found = _known.get(description) or _rebuilt.get(description)
    if found is None:
        found = _rebuilt[description] = _rebuild(tensor.numpy(), description)
    return found


def _rebuild(flat: IntArray, description: str) -> Network:
    n_nodes, sizes = int(flat[0]), flat[1:8].tolist()
    tail, head, tie, inputs, outputs, activation, aggregation, bias_tie = np.split(flat[8:], np.cumsum(sizes))
    activations, aggregations = (names.split(",") for names in description.split(";")[:2])
    return Network(
        tail,
        head,
        0.0,
        bias=np.zeros(n_nodes),
        activation=[activations[code] for code in activation],
        aggregation=[aggregations[code] for code in aggregation],
        inputs=inputs,
        outputs=outputs,
        tie=tie if len(tie) else None,
        bias_tie=bias_tie if len(bias_tie) else None,
    )


@torch.library.custom_op("edgewise::graph", mutates_args=(), device_types="cpu")
def graph(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    response: Tensor | None,
    structure: Tensor,
    description: str,
    n_outputs: int,
    threads: int,
) -> Tensor:
    """(B, n_outputs) of x (B, n_inputs)."""
    if not len(x):
        return x.new_empty((0, n_outputs))
    return forward(with_parameters(_structure(structure, description), weight, bias, response), x, threads)


@graph.register_fake
def _(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    response: Tensor | None,
    structure: Tensor,
    description: str,
    n_outputs: int,
    threads: int,
) -> Tensor:
    return x.new_empty((x.shape[0], n_outputs))


@torch.library.custom_op("edgewise::graph_gradients", mutates_args=(), device_types="cpu")
def graph_gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    response: Tensor | None,
    structure: Tensor,
    description: str,
    threads: int,
    wanted: list[bool],
) -> list[Tensor]:
    """Of x, weight, bias and response, those that are wanted, one after another."""
    given = (x, weight, bias, response)
    if not len(x):
        return [torch.zeros_like(one) for one, asked in zip(given, wanted, strict=True) if asked and one is not None]
    network = with_parameters(_structure(structure, description), weight, bias, response)
    return [one for one in _end(network, _begin(network, x, threads), gradient, tuple(wanted)) if one is not None]


@graph_gradients.register_fake
def _(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    response: Tensor | None,
    structure: Tensor,
    description: str,
    threads: int,
    wanted: list[bool],
) -> list[Tensor]:
    given = (x, weight, bias, response)
    return [
        torch.empty_like(one, memory_format=torch.contiguous_format)
        for one, asked in zip(given, wanted, strict=True)
        if asked and one is not None
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.description, ctx.threads = inputs[5], inputs[7]


def _backward(ctx: Any, gradient: Tensor) -> Any:
    wanted = list(ctx.needs_input_grad[:4])
    found = iter(graph_gradients(gradient, *ctx.saved_tensors, ctx.description, ctx.threads, wanted))
    return (*(next(found) if asked else None for asked in wanted), None, None, None, None)


graph.register_autograd(_backward, setup_context=_keep)
