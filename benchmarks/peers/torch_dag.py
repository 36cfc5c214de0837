"""PyTorch on a graph: values are (nodes, samples), computed level by level."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, mse_loss

from benchmarks.levels import Levels, by_level
from benchmarks.machine import threads
from benchmarks.networks import Problem
from benchmarks.side import Side

torch.set_num_threads(threads())
warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")

# The value in place, and the gradient in place of it, from the activation's value
_IN_PLACE: dict[str, tuple[Callable[[Tensor], Any], Callable[[Tensor, Tensor], Any]]] = {
    "identity": (lambda v: v, lambda d, v: d),
    "relu": (Tensor.relu_, lambda d, v: torch.ops.aten.threshold_backward(d, v, 0.0, grad_input=d)),
    "tanh": (Tensor.tanh_, lambda d, v: torch.ops.aten.tanh_backward(d, v, grad_input=d)),
    "sigmoid": (Tensor.sigmoid_, lambda d, v: torch.ops.aten.sigmoid_backward(d, v, grad_input=d)),
}
_VALUE: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda s: s,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}

Add = Callable[[Tensor, Tensor], None]
"""(out, source) -> None: adds the weighted sums over arcs from rows of `source` to the rows of `out`"""


def hand_written(problem: Problem) -> Side:
    """An autograd.Function with everything precomputed that can be; the fastest of the ways to sum over arcs."""
    levels = by_level(problem.net)
    return _fastest(
        _side(problem, levels, _function(levels, problem, adds, dots), note)
        for adds, dots, note in (
            (_csr_in_place, _sampled, "CSR addmm in place, sampled_addmm"),
            (_bags, _sampled, "embedding_bag, sampled_addmm"),
        )
    )


def hand_written_plain(problem: Problem) -> Side:
    """The same with ordinary operations: CSR times values, and a gather for the weights' gradient, level by level."""
    levels = by_level(problem.net)
    function = _function(levels, problem, _csr_product, _gathered)
    return _side(problem, levels, function, "a CSR product and a gather per level")


def autograd(problem: Problem) -> Side:
    """Ordinary PyTorch with a few operations per level; the fastest of two ways to write them."""
    levels = by_level(problem.net)
    return _fastest(
        _side(problem, levels, _forward(levels, problem.batch, bags), note)
        for bags, note in ((False, "index_select, index_add"), (True, "embedding_bag"))
    )


def compiled(problem: Problem) -> Side:
    """The same under torch.compile."""
    levels = by_level(problem.net)
    function = torch.compile(_forward(levels, problem.batch, bags=False))
    return _side(problem, levels, function, "index_select, index_add")


def _fastest(sides: Iterator[Side]) -> Side:
    timed = []
    for side in sides:
        side.check()
        timed.append((min(_seconds(side) for _ in range(3)), side))
    return min(timed, key=lambda pair: pair[0])[1]


def _seconds(side: Side) -> float:
    began = perf_counter()
    side.run()
    return perf_counter() - began


def _side(problem: Problem, levels: Levels, outputs_of: Callable[[Tensor, Tensor, Tensor], Tensor], note: str) -> Side:
    """outputs_of : x (B, n_inputs), weights (E,) and biases (N,) in the levels' order -> (n_outputs, B)"""
    net = problem.net
    weight = torch.tensor(net.weight[levels.edge], requires_grad=True)
    bias = torch.tensor(net.bias[levels.node], requires_grad=True)
    x, y = torch.tensor(problem.x), torch.tensor(problem.y.T.copy())
    scale = 0.5 / problem.batch

    def run() -> None:
        weight.grad = bias.grad = None
        (mse_loss(outputs_of(x, weight, bias), y, reduction="sum") * scale).backward()

    def check() -> dict[str, Any]:
        run()
        assert weight.grad is not None
        assert bias.grad is not None
        return {
            "weight gradient": levels.of_edges(weight.grad.numpy()),
            "bias gradient": levels.of_nodes(bias.grad.numpy()),
        }

    return Side(run, check, note=note)


# ---- ordinary PyTorch ----


def _forward(levels: Levels, batch: int, bags: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    bounds = levels.neurons()
    steps = []
    for (a, e), runs in zip(bounds, levels.runs, strict=True):
        first, last = levels.first_in[a], levels.first_in[e]
        steps.append(
            (
                e - a,
                torch.tensor(levels.tail[first:last]),
                torch.tensor(levels.first_in[a:e] - first if bags else levels.head[first:last] - a),
                [(p - a, q - a, _VALUE[name]) for p, q, name in runs],
            )
        )
    edge_counts = [len(tail) for _, tail, _, _ in steps]
    node_counts = [n for n, _, _, _ in steps]
    n_inputs = int(levels.start[1])
    outputs = torch.tensor(levels.outputs)

    def outputs_of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        values = x.T
        weights, biases = weight.split(edge_counts), bias[n_inputs:].split(node_counts)
        for (n, tail, where, runs), w, b in zip(steps, weights, biases, strict=True):
            if bags:
                s = embedding_bag(tail, values, where, mode="sum", per_sample_weights=w) + b[:, None]
            else:
                s = b[:, None].expand(n, batch).index_add(0, where, w[:, None] * values.index_select(0, tail))
            new = runs[0][2](s) if len(runs) == 1 else torch.cat([value(s[p:q]) for p, q, value in runs])
            values = torch.cat([values, new])
        return values[outputs]

    return outputs_of


# ---- a hand-written Function ----


@dataclass(frozen=True)
class _Arcs:
    """The arcs between a level and all nodes before it, or all after it: rows of sums, and what is summed."""

    first: Tensor  # (rows + 1,)
    source: Tensor  # the rows of the other side
    weight: Tensor  # a view, so that it follows the parameters
    n_sources: int

    @property
    def csr(self) -> Tensor:
        first, source = self.first.to(torch.int32), self.source.to(torch.int32)
        return torch.sparse_csr_tensor(first, source, self.weight, (len(first) - 1, self.n_sources))


def _csr_in_place(arcs: _Arcs) -> Add:
    matrix = arcs.csr

    def add(out: Tensor, source: Tensor) -> None:
        torch.addmm(out, matrix, source, out=out)

    return add


def _csr_product(arcs: _Arcs) -> Add:
    matrix = arcs.csr

    def add(out: Tensor, source: Tensor) -> None:
        out += matrix @ source

    return add


def _bags(arcs: _Arcs) -> Add:
    first, source, weight = arcs.first[:-1].contiguous(), arcs.source.contiguous(), arcs.weight

    def add(out: Tensor, values: Tensor) -> None:
        out += embedding_bag(source, values, first, mode="sum", per_sample_weights=weight)

    return add


def _sampled(levels: Levels) -> Callable[[Tensor, Tensor], Tensor]:
    """Scalar products along all arcs at once: a matrix product of which only the arcs' entries are computed."""
    n = len(levels.node)
    pattern = torch.sparse_csr_tensor(
        torch.tensor(levels.first_in, dtype=torch.int32),
        torch.tensor(levels.tail, dtype=torch.int32),
        torch.zeros(len(levels.tail)),
        (n, n),
    )
    return lambda at_head, at_tail: torch.sparse.sampled_addmm(pattern, at_head, at_tail.T).values()


def _gathered(levels: Levels) -> Callable[[Tensor, Tensor], Tensor]:
    """The same by gathering both ends of the arcs, level by level: of all arcs at once it takes up to three times as
    long, since nothing stays in a cache."""
    head, tail = torch.tensor(levels.head), torch.tensor(levels.tail)
    bounds = [(int(levels.first_in[a]), int(levels.first_in[e])) for a, e in levels.neurons()]
    parts = [(head[first:last], tail[first:last]) for first, last in bounds]
    return lambda at_head, at_tail: torch.cat([(at_head[h] * at_tail[t]).sum(1) for h, t in parts])


def _function(
    levels: Levels,
    problem: Problem,
    make_add: Callable[[_Arcs], Add],
    make_dots: Callable[[Levels], Callable[[Tensor, Tensor], Tensor]],
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    n, n_inputs = len(levels.node), int(levels.start[1])
    weight_in = torch.tensor(problem.net.weight[levels.edge])
    weight_out = torch.empty_like(weight_in)
    by_tail = torch.tensor(levels.by_tail)
    source_out = levels.head[levels.by_tail]
    ahead, back = [], []
    for (a, e), runs in zip(levels.neurons(), levels.runs, strict=True):
        first, last = int(levels.first_in[a]), int(levels.first_in[e])
        add = make_add(
            _Arcs(
                torch.tensor(levels.first_in[a : e + 1] - first),
                torch.tensor(levels.tail[first:last]),
                weight_in[first:last],
                a,
            )
        )
        ahead.append((a, e, add if last > first else None, [(p, q, _IN_PLACE[name][0]) for p, q, name in runs]))
        first, last = int(levels.first_out[a]), int(levels.first_out[e])
        add = make_add(
            _Arcs(
                torch.tensor(levels.first_out[a : e + 1] - first),
                torch.tensor(source_out[first:last] - e),
                weight_out[first:last],
                n - e,
            )
        )
        back.append((a, e, add if last > first else None, [(p, q, _IN_PLACE[name][1]) for p, q, name in runs]))
    back.reverse()
    dots = make_dots(levels)
    outputs = torch.tensor(levels.outputs)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            weight_in.copy_(weight)
            values = bias[:, None].repeat(1, len(x))
            values[:n_inputs] = x.T
            for a, e, add, runs in ahead:
                if add is not None:
                    add(values[a:e], values[:a])
                for p, q, value in runs:
                    value(values[p:q])
            ctx.values = values
            return values[outputs]

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            values = ctx.values
            torch.index_select(weight_in, 0, by_tail, out=weight_out)
            delta = torch.zeros_like(values)
            delta[outputs] = gradient
            for a, e, add, runs in back:
                if add is not None:
                    add(delta[a:e], delta[e:])
                for p, q, slope in runs:
                    slope(delta[p:q], values[p:q])
            return None, dots(delta, values), delta.sum(1)

    return Function.apply
