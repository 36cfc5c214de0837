"""Sparse linear layers of any PyTorch model, run by the engine where that is measured to be faster."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.optimizers import check_number
from edgewise.torch.graph_module import GraphModule

ROUNDS, SECONDS_A_ROUND = 5, 0.01
"""How long each side of a layer is measured."""
READ_BY_PARENT = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
"""Modules that do not call their linear layers but read their weights."""


class SparseLinear(GraphModule):
    """An `nn.Linear` of which only the arcs that there are, are stored and computed.

    `weight` (n_arcs,) row by row of the matrix; `bias` (n_in + n_out,), the first n_in of which mean nothing: frozen at
    0 if the layer had none. A state dict says where the arcs are, and is refused by a layer with others.
    """

    keeps_structure = True

    def __init__(self, linear: nn.Linear, *, threads: int | None = None) -> None:
        """The arcs are those of a mask of torch.nn.utils.prune, else the weights that are not 0."""
        with torch.no_grad():
            matrix, there = _weights_and_arcs(linear)
            head, tail = (places.numpy() for places in there.nonzero(as_tuple=True))
            n_in, n_out = linear.in_features, linear.out_features
            bias = np.zeros(n_in + n_out, matrix.numpy().dtype)
            if linear.bias is not None:
                bias[n_in:] = linear.bias.numpy()
            net = Network(
                tail,
                head + n_in,
                matrix.numpy()[head, tail],
                bias=bias,
                activation="identity",
                inputs=np.arange(n_in),
                outputs=np.arange(n_in, n_in + n_out),
                dtype=bias.dtype,
            )
        super().__init__(net, threads=threads)
        self.has_bias = linear.bias is not None
        self.weight.requires_grad_(_own_weight(linear).requires_grad)
        self.bias.requires_grad_(linear.bias is not None and linear.bias.requires_grad)
        self.train(linear.training)

    def to_linear(self) -> nn.Linear:
        """A dense layer with the same numbers, 0 where there is no arc."""
        net, n_in = self._net, self.n_inputs
        linear = nn.Linear(n_in, self.n_outputs, bias=self.has_bias, dtype=self.weight.dtype)
        with torch.no_grad():
            linear.weight.zero_()
            linear.weight[torch.from_numpy(net.head - n_in), torch.from_numpy(net.tail.copy())] = self.weight
            if self.has_bias:
                linear.bias.copy_(self.bias[n_in:])
        return linear.train(self.training)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        given = state_dict.get(f"{prefix}structure")
        if given is not None and not torch.equal(given, self.structure):
            errors: list[str] = rest[-1]
            errors.append(f"the arcs of {prefix[:-1] or 'the layer'} are others than those of the state dict")
            return
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        density = self._net.n_edges / (self.n_inputs * self.n_outputs)
        return f"in_features={self.n_inputs}, out_features={self.n_outputs}, density={density:.3g}"


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What was found of one linear layer."""

    name: str
    shape: tuple[int, int]
    """(n_out, n_in)"""
    sparsity: float
    """Share of the weights that are 0, or masked."""
    swapped: bool
    reason: str
    dense_seconds: float | None = None
    """Of a call, as it was; None if it was not measured."""
    sparse_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What `sparsify_` did, layer by layer."""

    layers: tuple[LayerReport, ...]

    @property
    def n_swapped(self) -> int:
        return sum(layer.swapped for layer in self.layers)

    def __str__(self) -> str:
        head = f"{'layer':20} {'matrix':>13} {'sparsity':>8} {'dense':>9} {'sparse':>9}"
        return "\n".join([head, *map(_row, self.layers)])


def _row(layer: LayerReport) -> str:
    times = [
        "" if seconds is None else f"{seconds * 1e6:.0f} µs" for seconds in (layer.dense_seconds, layer.sparse_seconds)
    ]
    matrix = f"{layer.shape[0]} × {layer.shape[1]}"
    what = f"{'swapped' if layer.swapped else 'kept'}: {layer.reason}"
    return f"{layer.name:20} {matrix:>13} {layer.sparsity:8.1%} {times[0]:>9} {times[1]:>9}  {what}"


def sparsify_(model: nn.Module, example: Tensor | Sequence[Any] | int, *, min_sparsity: float = 0.7) -> Report:
    """Swap the sparse `nn.Linear`s of a model for `SparseLinear`s, in place, where those are measured to be faster.

    Parameters
    ----------
    model : on the CPU, in float32 or float64. Masks of torch.nn.utils.prune become the arcs there are.
    example : an input of the model, or a tuple of its inputs; or the number of rows that its layers are given.
        Forward and backward pass of each layer are timed on as many rows; forward alone where no parameter is trained.
    min_sparsity : layers with a smaller share of zeros are left as they are.

    Make the optimizer afterwards: the parameters are new ones. DataError if nothing can be measured so. What is timed
    depends on what else the machine does, so which layers are swapped may differ from run to run.
    """
    check_number("min_sparsity", min_sparsity, 0, 1)
    if type(model) is nn.Linear:
        raise DataError("the model is itself a linear layer, which cannot be swapped in place; put it in nn.Sequential")
    linears = {name: part for name, part in model.named_modules() if type(part) is nn.Linear}
    rows = _rows(model, linears, example)
    kept = _reasons(model, linears)
    trained = any(parameter.requires_grad for parameter in model.parameters())
    found, swaps = [], {}
    for name, linear in linears.items():
        shape = linear.out_features, linear.in_features
        sparsity = 1 - float(_weights_and_arcs(linear)[1].sum()) / max(shape[0] * shape[1], 1)
        reason = kept.get(name)
        if reason is None and sparsity < min_sparsity:
            reason = f"not {min_sparsity:.0%} sparse"
        if reason is None and not rows.get(name):
            reason = "the example does not reach it"
        if reason is not None:
            found.append(LayerReport(name, shape, sparsity, False, reason))
            continue
        sparse = SparseLinear(linear)
        dense_time, sparse_time = _measure(linear, sparse, rows[name], trained)
        faster = sparse_time < dense_time
        if faster:
            swaps[linear] = sparse
        ratio = dense_time / sparse_time
        reason = f"{ratio:.1f} times as fast" if faster else f"{1 / ratio:.1f} times as slow"
        found.append(LayerReport(name, shape, sparsity, faster, reason, dense_time, sparse_time))
    for parent in list(model.modules()):
        for name, child in parent._modules.items():  # each time that a layer is used
            if child in swaps:
                setattr(parent, name, swaps[child])
    return Report(tuple(found))


def _own_weight(linear: nn.Linear) -> Tensor:
    """The parameter; under a mask it has another name."""
    return getattr(linear, "weight_orig", linear.weight)


def _weights_and_arcs(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """(n_out, n_in) weights and whether there is an arc."""
    mask = getattr(linear, "weight_mask", None)
    weight = _own_weight(linear).detach()
    return weight, weight != 0 if mask is None else mask != 0


def _reasons(model: nn.Module, linears: dict[str, nn.Linear]) -> dict[str, str]:
    """Why some cannot be swapped, whatever their speed."""
    owners = Counter(id(p) for part in model.modules() for p in part._parameters.values() if p is not None)
    read = {child for part in model.modules() if isinstance(part, READ_BY_PARENT) for child in part.modules()}
    found = {}
    for name, linear in linears.items():
        weight = _own_weight(linear)
        hooks = [hook for hook in linear._forward_pre_hooks.values() if not isinstance(hook, prune.BasePruningMethod)]
        if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.float64):
            found[name] = f"its weights are {weight.dtype} on {weight.device}"
        elif any(owners[id(p)] > 1 for p in linear.parameters()):
            found[name] = "another layer has the same parameters"
        elif linear in read:
            found[name] = "the module around it reads its weights"
        elif hooks or linear._forward_hooks or linear._backward_hooks or linear._backward_pre_hooks:
            found[name] = "it has hooks"
        elif hasattr(linear, "bias_mask"):
            found[name] = "its bias is masked"
    return found


# ---- measuring ----


@contextmanager
def _evaluating(model: nn.Module) -> Any:
    """Without gradients, nor a change of what the model counts or draws."""
    training = {part: part.training for part in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was in training.items():
            part.training = was


def _rows(model: nn.Module, linears: dict[str, nn.Linear], example: Any) -> dict[str, int]:
    """How many rows each of the layers is given."""
    if isinstance(example, int):
        check_number("example", example, 1, whole=True)
        return dict.fromkeys(linears, example)
    rows: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda part, given: rows.update({name: given[0].numel() // max(given[0].shape[-1], 1)})

    hooks = [linear.register_forward_pre_hook(note(name)) for name, linear in linears.items()]
    try:
        with _evaluating(model):
            model(*([example] if isinstance(example, Tensor) else example))
    except Exception as error:
        raise DataError(f"the model does not run on the example: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _measure(dense: nn.Module, sparse: SparseLinear, rows: int, trained: bool) -> tuple[float, float]:
    """Seconds that a call of each takes when nothing else is in its way, in turns."""
    dtype = sparse.weight.dtype
    x = torch.randn(rows, sparse.n_inputs, dtype=dtype, requires_grad=trained)
    gradient = torch.randn(rows, sparse.n_outputs, dtype=dtype)

    def call(module: nn.Module) -> Callable[[], object]:
        wanted = [x, *(p for p in module.parameters() if p.requires_grad)]

        def forward() -> object:
            with torch.no_grad():
                return module(x)

        return (lambda: torch.autograd.grad(module(x), wanted, gradient)) if trained else forward

    calls = [call(dense), call(sparse)]
    repeats = [max(1, round(SECONDS_A_ROUND / _seconds(run, 2))) for run in calls]
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for run, n, taken in zip(calls, repeats, times, strict=True):
            run()
            taken.append(_seconds(run, n))
    return min(times[0]), min(times[1])


def _seconds(run: Callable[[], object], n: int) -> float:
    began = time.perf_counter()
    for _ in range(n):
        run()
    return (time.perf_counter() - began) / n
