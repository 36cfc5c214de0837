"""`python -m benchmarks.in_pytorch`: the engine inside PyTorch, beside the bare engine and beside PyTorch's own layers.

Forward, backward and the gradients of all parameters, in turns; each line says how many times longer than ours it is.
"""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benchmarks import networks, timing
from benchmarks.machine import threads
from edgewise.torch import GraphModule, sparsify_, to_module

SIZES, SPARSITY = (784, 1024, 1024, 10), 0.95
PACE = timing.Pace(6.0, 5, 100)

Sides = dict[str, Callable[[], object]]


def compare(title: str, sides: Sides) -> None:
    """The first is what the others are measured by. The best times: others at work on the machine lengthen the rest."""
    for run in sides.values():
        run()
    times = timing.interleave(list(sides.values()), PACE)
    print(title)
    for name, each in zip(sides, times, strict=True):
        print(f"  {name:44} {each.best * 1e3:9.3f} ms   × {each.best / times[0].best:.2f}   ({each.samples} samples)")


def backward(module: nn.Module, x: Tensor, gradient: Tensor) -> Callable[[], object]:
    wanted = [p for p in module.parameters() if p.requires_grad]
    return lambda: torch.autograd.grad(module(x), wanted, gradient)


def step(module: nn.Module, x: Tensor, label: Tensor) -> Callable[[], object]:
    """Of training: cross-entropy and plain SGD."""
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)

    def run() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), label).backward()
        optimizer.step()

    return run


def graph(n_nodes: int, n_edges: int, batch: int) -> None:
    problem = networks.random_dag(n_nodes, n_edges, batch)
    net, x = problem.net, problem.x
    module, given = GraphModule(net), torch.from_numpy(x)
    gradient = torch.from_numpy(problem.y.astype(np.float32))

    def bare() -> object:
        bwd = net.backprop(x, y=problem.y, loss="squared_error")
        return bwd.weight_gradient, bwd.bias_gradient

    sides: Sides = {
        "net.backprop": bare,
        "GraphModule": backward(module, given, gradient),
    }
    if n_edges < 100_000:
        sides["to_module: plain PyTorch"] = backward(to_module(net), given, gradient)
    compare(f"random graph, {n_nodes:,} nodes, {n_edges:,} arcs, {batch} samples", sides)


def layers(batch: int) -> None:
    torch.manual_seed(0)
    linears = [nn.Linear(a, b) for a, b in itertools.pairwise(SIZES)]
    dense = nn.Sequential(linears[0], nn.ReLU(), linears[1], nn.ReLU(), linears[2])
    with torch.no_grad():
        for linear in linears:
            linear.weight *= torch.rand_like(linear.weight) >= SPARSITY
    masked, swapped = copy.deepcopy(dense), copy.deepcopy(dense)
    for part in (*masked, *swapped):
        if isinstance(part, nn.Linear):
            prune.custom_from_mask(part, "weight", part.weight != 0)
    x, label = torch.randn(batch, SIZES[0]), torch.randint(0, SIZES[-1], (batch,))
    print(sparsify_(swapped, x))
    net = networks.sparse(*SIZES, sparsity=SPARSITY, batch=batch).net
    compare(
        f"{'-'.join(map(str, SIZES))}, {SPARSITY:.0%} sparse, {batch} samples: a step of training",
        {
            "sparsify_": step(swapped, x, label),
            "nn.Linear": step(dense, x, label),
            "nn.Linear under masks of nn.utils.prune": step(masked, x, label),
            "GraphModule of all layers": step(GraphModule(net), x, label),
        },
    )


def main() -> None:
    torch.set_num_threads(threads())
    print(f"PyTorch {torch.__version__}, {threads()} threads")
    for batch in (64, 256):
        graph(1000, 20_000, batch)
    graph(10_000, 200_000, 64)
    for batch in (32, 128, 512):
        layers(batch)


if __name__ == "__main__":
    main()
