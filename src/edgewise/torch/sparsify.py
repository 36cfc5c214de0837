"""Linear layers of any PyTorch model swapped for sparse ones, where those are measured to be faster."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from edgewise.errors import DataError
from edgewise.optimizers import check_number
from edgewise.torch.eval_mode import in_eval_mode
from edgewise.torch.plain import MODULES
from edgewise.torch.sparse_layers import SparseLayers, SparseLinear, own_weight, weights_and_arcs

ROUNDS, SECONDS_A_ROUND = 5, 0.01
"""How long each side of a layer is measured."""
READ_BY_PARENT = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
"""Modules that do not call their linear layers but read their weights."""


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

    Where several follow each other in an `nn.Sequential`, with activations between them that Edgewise has too, they
    become one `SparseLayers` if that is faster still, and the places of the others an `nn.Identity`.

    Parameters
    ----------
    model : on the CPU, in float32 or float64. Masks of torch.nn.utils.prune become the arcs there are.
    example : an input of the model, or a tuple of its inputs; or the number of rows that its layers are given, with
        which each layer stays by itself, since nothing shows that a sequence runs as a whole.
        Forward and backward pass of each layer are timed on as many rows; forward alone where no parameter is trained.
    min_sparsity : layers with a smaller share of zeros are left as they are.

    Make the optimizer afterwards: the parameters are new ones. DataError if nothing can be measured so. What is timed
    depends on what else the machine does, so which layers are swapped may differ from run to run.
    """
    check_number("min_sparsity", min_sparsity, 0, 1)
    if type(model) is nn.Linear:
        raise DataError("the model is itself a linear layer, which cannot be swapped in place; put it in nn.Sequential")
    linears = {name: part for name, part in model.named_modules() if type(part) is nn.Linear}
    seen = _run_on(model, linears, example)
    kept = _reasons(model, linears)
    trained = any(parameter.requires_grad for parameter in model.parameters())
    found: dict[nn.Module, LayerReport] = {}
    swaps: dict[nn.Module, nn.Module] = {}
    for name, linear in linears.items():
        shape = linear.out_features, linear.in_features
        sparsity = 1 - float(weights_and_arcs(linear)[1].sum()) / max(shape[0] * shape[1], 1)
        reason = kept.get(name)
        if reason is None and sparsity < min_sparsity:
            reason = f"not {min_sparsity:.0%} sparse"
        if reason is None and not seen.rows.get(linear):
            reason = "the example does not reach it"
        if reason is not None:
            found[linear] = LayerReport(name, shape, sparsity, False, reason)
            continue
        sparse = SparseLinear(linear)
        times = _measure(linear, sparse, seen.rows[linear], trained)
        if times[1] < times[0]:
            swaps[linear] = sparse
        found[linear] = LayerReport(name, shape, sparsity, linear in swaps, _compared(*times), *times)
    for run in _runs(model, found, seen.calls):
        together = SparseLayers(run.linears, run.activations)
        reports = [found[linear] for linear in run.linears]
        _, time_together = _measure(together, together, seen.rows[run.linears[0]], trained)
        if time_together >= sum(min(r.dense_seconds or 0, r.sparse_seconds or 0) for r in reports):
            continue
        ratio = _compared(sum(r.dense_seconds or 0 for r in reports), time_together)
        for linear, report in zip(run.linears, reports, strict=True):
            swaps.pop(linear, None)
            others = ", ".join(r.name for r in reports if r is not report)
            found[linear] = replace(report, swapped=True, reason=f"one with {others}, {ratio}")
        run.put(together)
    for parent in list(model.modules()):
        for name, child in parent._modules.items():  # each time that a layer is used
            if child in swaps:
                setattr(parent, name, swaps[child])
    return Report(tuple(found.values()))


def _compared(dense: float, sparse: float) -> str:
    return f"{dense / sparse:.1f} times as fast" if sparse < dense else f"{sparse / dense:.1f} times as slow"


# ---- what may be swapped ----


def _reasons(model: nn.Module, linears: dict[str, nn.Linear]) -> dict[str, str]:
    """Why some cannot be swapped, whatever their speed."""
    owners = Counter(id(p) for part in model.modules() for p in part._parameters.values() if p is not None)
    read = {child for part in model.modules() if isinstance(part, READ_BY_PARENT) for child in part.modules()}
    found = {}
    for name, linear in linears.items():
        weight = own_weight(linear)
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


@dataclass(frozen=True, slots=True)
class _Run:
    """Linear layers and activations that follow each other in an `nn.Sequential`."""

    parent: nn.Sequential
    places: list[str]
    linears: list[nn.Linear]
    activations: list[str]

    def put(self, together: nn.Module) -> None:
        """In the place of the first; the others become nothing, so that what comes behind keeps its number."""
        for place in self.places:
            setattr(self.parent, place, nn.Identity())
        setattr(self.parent, self.places[0], together)


def _name_of(part: nn.Module) -> str | None:
    """Of an activation that Edgewise has too, just so."""
    if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks:
        return None
    for name, make in MODULES.items():
        like = make()
        if type(part) is type(like) and part.extra_repr().replace(", inplace=True", "") == like.extra_repr():
            return name
    return "relu" if type(part) is nn.ReLU else None


def _runs(model: nn.Module, found: dict[nn.Module, LayerReport], calls: Counter[nn.Module]) -> list[_Run]:
    """Of two and more measured layers, in sequences that were seen to run as a whole and in which each is used once."""
    used = Counter(child for part in model.modules() for child in part._modules.values() if child is not None)
    runs = []
    for parent in model.modules():
        if not isinstance(parent, nn.Sequential) or type(parent).forward is not nn.Sequential.forward:
            continue
        run: _Run | None = None
        for place, part in parent._modules.items():
            name = None if part is None else _name_of(part)
            if (
                type(part) is nn.Linear
                and found[part].dense_seconds is not None
                and used[part] == 1
                and calls[part] == calls[parent]
            ):
                if run is None or _kind(run.linears[0]) != _kind(part):
                    run = _Run(parent, [], [], [])
                    runs.append(run)
                run.linears.append(part)
                run.activations.append("identity")
            elif name is not None and run is not None and run.activations[-1] == "identity":
                run.activations[-1] = name
            else:
                run = None
                continue
            run.places.append(place)
    return [run for run in runs if len(run.linears) > 1]


def _kind(linear: nn.Linear) -> tuple[Any, ...]:
    """What layers must have in common to be one."""
    weight, bias = own_weight(linear), linear.bias
    return weight.dtype, weight.requires_grad, None if bias is None else bias.requires_grad


# ---- measuring ----


@dataclass(frozen=True, slots=True)
class _Seen:
    """What running the model has shown."""

    rows: dict[nn.Module, int]
    """That a linear layer is given."""
    calls: Counter[nn.Module]
    """Of linear layers and sequences; none where the model was not run."""


def _run_on(model: nn.Module, linears: dict[str, nn.Linear], example: Any) -> _Seen:
    seen = _Seen({}, Counter())
    if isinstance(example, int):
        check_number("example", example, 1, whole=True)
        seen.rows.update(dict.fromkeys(linears.values(), example))
        return seen

    def note(part: nn.Module, given: tuple[Any, ...]) -> None:
        seen.calls[part] += 1
        if isinstance(part, nn.Linear):
            seen.rows[part] = given[0].numel() // max(given[0].shape[-1], 1)

    sequences = [part for part in model.modules() if isinstance(part, nn.Sequential)]
    hooks = [part.register_forward_pre_hook(note) for part in (*linears.values(), *sequences)]
    try:
        with in_eval_mode(model), torch.no_grad():
            model(*([example] if isinstance(example, Tensor) else example))
    except Exception as error:
        raise DataError(f"the model does not run on the example: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _measure(dense: nn.Module, sparse: SparseLayers, rows: int, trained: bool) -> tuple[float, float]:
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
