"""Genomes of neat-python beside neat-python itself and TensorNEAT: python -m benchmarks.genomes --write docs/neat.md.

Random genomes of 4 inputs and 3 outputs, 150 samples, float64 (TensorNEAT: float32), one at a time. A gradient, which
neat-python cannot do, is had from it by forward differences: one pass more for each weight and bias. All sides must
come to the same numbers. neat-python comes with pip install ".[benchmark]", TensorNEAT as `python -m benchmarks --help`
says.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from neat.activations import ActivationFunctionSet
from neat.aggregations import AggregationFunctionSet
from neat.genes import DefaultConnectionGene, DefaultNodeGene
from neat.nn import FeedForwardNetwork

import edgewise as ew
from benchmarks import machine, report, tables, timing

INPUTS, OUTPUTS, BATCH = 4, 3, 150
SIZES = ((3, 20), (15, 60), (60, 300))
"""Hidden nodes and connections."""
STEP = 1e-6
COMMAND = "python -m benchmarks.genomes --write docs/neat.md"
THERE_AND_BACK = "ten gradient steps, from the genome and back"

CONFIG = SimpleNamespace(
    genome_config=SimpleNamespace(
        input_keys=[-1 - k for k in range(INPUTS)],
        output_keys=list(range(OUTPUTS)),
        activation_defs=ActivationFunctionSet(),
        aggregation_function_defs=AggregationFunctionSet(),
    )
)


def genome(n_hidden: int, n_arcs: int, rng: np.random.Generator) -> Any:
    """tanh and sigmoid nodes that sum; every node is fed, and an output needs it."""
    hidden = list(range(OUTPUTS, OUTPUTS + n_hidden))
    order = [*CONFIG.genome_config.input_keys, *hidden, *CONFIG.genome_config.output_keys]
    first = INPUTS + n_hidden
    pairs = {(int(rng.integers(0, min(b, first))), b) for b in range(INPUTS, len(order))}
    pairs |= {(a, int(rng.integers(max(a + 1, INPUTS), len(order)))) for a in range(first)}
    while len(pairs) < n_arcs:
        a = int(rng.integers(0, first))
        pairs.add((a, int(rng.integers(max(a + 1, INPUTS), len(order)))))
    nodes, connections = {}, {}
    for key in order[INPUTS:]:
        gene = nodes[key] = DefaultNodeGene(key)
        gene.activation, gene.aggregation = ("tanh", "sigmoid")[key % 2], "sum"
        gene.bias, gene.response = float(rng.normal()), 1.0
    for number, (a, b) in enumerate(sorted(pairs), 1):
        made = connections[order[a], order[b]] = DefaultConnectionGene((order[a], order[b]), innovation=number)
        made.weight, made.enabled = float(rng.normal()) / 2, True
    return SimpleNamespace(nodes=nodes, connections=connections)


def activate(given: Any, x: Any) -> Any:
    network = FeedForwardNetwork.create(given, CONFIG)
    return [network.activate(sample) for sample in x]


def differences(given: Any, x: Any, y: Any) -> Any:
    """∂/∂w and ∂/∂b of the mean of ½Σ(o−y)², by forward differences."""

    def loss() -> float:
        return float(((np.array(activate(given, x)) - y) ** 2).sum() / 2 / len(x))

    here, found = loss(), []
    for gene, name in [(gene, "weight") for gene in given.connections.values()] + [
        (given.nodes[key], "bias") for key in sorted(given.nodes)
    ]:
        before = getattr(gene, name)
        setattr(gene, name, before + STEP)
        found.append((loss() - here) / STEP)
        setattr(gene, name, before)
    return np.array(found)


def tensorneat(given: Any, x: Any) -> Callable[[], Any]:
    """TensorNEAT's forward pass of the same genome, vmapped over samples and jitted."""
    import jax
    import jax.numpy as jnp
    from tensorneat.common import ACT, AGG, State
    from tensorneat.genome import DefaultGenome, DefaultNode

    net = ew.from_neat(given, CONFIG)
    made = DefaultGenome(
        INPUTS,
        OUTPUTS,
        max_nodes=net.n_nodes,
        max_conns=net.n_edges,
        node_gene=DefaultNode(activation_options=[ACT.tanh, ACT.sigmoid, ACT.identity], aggregation_options=AGG.sum),
    )
    state = made.setup(State())
    nodes = np.zeros((net.n_nodes, 5), np.float32)  # key, bias, response, aggregation, activation
    nodes[:, 0], nodes[:, 1], nodes[:, 2] = np.arange(net.n_nodes), net.bias, net.response
    nodes[:, 4] = [("tanh", "sigmoid", "identity").index(name) for name in net.activations]
    arcs = np.stack([net.tail, net.head, net.weight], axis=1).astype(np.float32)
    forward = jax.jit(jax.vmap(made.forward, in_axes=(None, None, 0)))
    transformed = made.transform(state, jnp.asarray(nodes), jnp.asarray(arcs))
    samples = jnp.asarray(x, jnp.float32)
    return lambda: np.asarray(jax.block_until_ready(forward(state, transformed, samples)))


def measure(n_hidden: int, n_arcs: int, pace: timing.Pace, out: Any) -> list[tuple[str, float]]:
    """Seconds of each piece of work on one genome."""
    rng = np.random.default_rng(0)
    given = genome(n_hidden, n_arcs, rng)
    x, y = rng.normal(size=(BATCH, INPUTS)), rng.normal(size=(BATCH, OUTPUTS))
    rows = x.tolist()
    ready, net = FeedForwardNetwork.create(given, CONFIG), ew.from_neat(given, CONFIG)
    trained = net.copy()
    descent = ew.SGD(1e-9)  # so small that the network stays what it is, however often it is trained
    scale = np.array([5.0 if name == "sigmoid" else 2.5 for name in net.activations[INPUTS:]])

    def gradient() -> Any:
        bwd = net.backprop(x, y=y, loss="squared_error")
        return np.concatenate([bwd.weight_gradient, bwd.bias_gradient[INPUTS:] * scale])

    sides: list[tuple[str, Callable[[], Any]]] = [
        ("a pass, ready", lambda: net.forward(x).output),
        ("a pass, ready, neat-python", lambda: [ready.activate(sample) for sample in rows]),
        ("a pass from the genome on", lambda: ew.from_neat(given, CONFIG).forward(x).output),
        ("a pass from the genome on, neat-python", lambda: activate(given, rows)),
        ("a gradient step, ready", lambda: ew.fit_many([trained], x, y, optimizer=descent, batch_size=BATCH)),
        (THERE_AND_BACK, lambda: _there_and_back(given, x, y, descent)),
    ]
    wanted = np.array(sides[1][1]())
    for name, run in (sides[0], sides[2]):
        assert np.abs(run() - wanted).max() < 1e-12, name
    by_differences = differences(given, rows, y)
    error = np.abs(gradient() - by_differences).max() / np.abs(by_differences).max()
    assert error < 1e-4, f"gradients differ by {error:.1e}"
    try:
        forward = tensorneat(given, x)
        sides.append(("a pass, ready, TensorNEAT", forward))
        hidden = net.replace(  # whose outputs have no activation in TensorNEAT
            activation=[*net.activations[:INPUTS], *["identity"] * OUTPUTS, *net.activations[INPUTS + OUTPUTS :]]
        )
        assert np.abs(forward() - hidden.forward(x).output).max() < 1e-4
    except ImportError as missing:
        print(f"TensorNEAT is left out: {missing}", file=out)
    if n_arcs <= 60:  # with more, differences take seconds
        sides.append(("a gradient step, ready, neat-python", lambda: differences(given, rows, y)))
    times = timing.interleave([run for _, run in sides], pace)
    return [(name, found.median) for (name, _), found in zip(sides, times, strict=True)]


def _there_and_back(given: Any, x: Any, y: Any, descent: Any) -> None:
    net = ew.from_neat(given, CONFIG)
    ew.fit_many([net], x, y, optimizer=descent, batch_size=BATCH, epochs=10)
    ew.to_neat(net, given)


def markdown(results: dict[tuple[int, int], dict[str, float]], this: machine.Machine) -> str:
    """A row for each size and piece of work, with how many times longer the others take."""
    lines = [f"{this.processor}, {this.threads} threads; medians, one genome, {BATCH} samples.", ""]
    lines += ["| connections | | Edgewise | neat-python | TensorNEAT |", "|---|---|---|---|---|"]
    for (_, n_arcs), times in results.items():
        for name in ("a pass, ready", "a pass from the genome on", "a gradient step, ready", THERE_AND_BACK):
            ours, others = times[name], []
            for other in (f"{name}, neat-python", f"{name}, TensorNEAT"):
                theirs = times.get(other)
                others.append("" if theirs is None else f"{report.seconds(theirs)}, {theirs / ours:,.0f}×")
            lines.append(f"| {n_arcs} | {name} | {report.seconds(ours)} | {' | '.join(others)} |")
    return "\n".join([*lines, "", f"neat-python's gradients are differences. To have these anew: `{COMMAND}`.", ""])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.genomes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the table between the marks in a Markdown file")
    options = parser.parse_args(arguments)
    pace = timing.QUICK if options.quick else timing.FULL
    results = {}
    for size in SIZES:
        results[size] = dict(measure(*size, pace, sys.stderr))
        for name, seconds in results[size].items():
            print(f"{size[1]:4} connections, {name}: {report.seconds(seconds)}", flush=True)
    if options.write is not None:
        tables.put(options.write, f"\n{markdown(results, machine.measure(True))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
