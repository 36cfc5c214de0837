"""Commands about a network by itself: info, verify, convert."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgewise import formats, paths
from edgewise.cli.app import Json, NetworkFile, app
from edgewise.cli.arguments import read_inputs, target_node
from edgewise.network import Network
from edgewise.plan import reached_from
from edgewise.view import machine, text
from edgewise.view.text import TextTable

ROWS_SHOWN, PAIRS_SHOWN = 40, 100


@app.command(epilog="Example: `edgewise info net.json`")
def info(network: NetworkFile, as_json: Json = False) -> None:
    """Show what a network is made of: nodes, edges, depth, paths, activations, dead ends."""
    net = formats.load(network)
    facts = _facts(net)
    if as_json:
        print(machine.as_json(facts))
        return
    console = text.console(sys.stdout)
    rows = [
        ("nodes", f"{net.n_nodes:,}"),
        ("edges", f"{net.n_edges:,}"),
        ("inputs", f"{net.n_inputs:,}"),
        ("outputs", f"{net.n_outputs:,}"),
        ("depth (arcs on the longest path to an output)", str(facts["depth"])),
        ("paths from inputs to outputs", _long(facts["paths"]["total"])),
        ("activations", _counts(facts["activations"])),
        ("aggregations", _counts(facts["aggregations"])),
        ("tied weights", str(facts["tied_weights"] or "none")),
        ("tied biases", str(facts["tied_biases"] or "none")),
        ("reach no output", _names(facts["dead_ends"]["reach_no_output"])),
        ("not reached from an input", _names(facts["dead_ends"]["not_reached_from_inputs"])),
        ("dtype", facts["dtype"]),
    ]
    text.show(console, TextTable(text.printable(str(network)), ("", ""), rows))
    pairs = facts["paths"]["pairs"]
    if pairs is not None and len(pairs) > 1:
        shown = [(pair["input"], pair["output"], _long(pair["paths"])) for pair in pairs[:ROWS_SHOWN]]
        text.show(console, TextTable("Paths", ("input", "output", "paths"), shown, len(pairs)))


def _facts(net: Network) -> dict[str, Any]:
    neurons = np.flatnonzero(~net.is_input)
    pairs = None
    if net.n_inputs * net.n_outputs <= PAIRS_SHOWN:
        pairs = [
            {"input": net.names[i], "output": net.names[t], "paths": paths.count_paths(net, int(i), int(t))}
            for i in net.inputs
            for t in net.outputs
        ]
    reached = reached_from(net.plan, net.tail, net.head, net.inputs)
    return {
        "nodes": net.n_nodes,
        "edges": net.n_edges,
        "inputs": [net.names[j] for j in net.inputs],
        "outputs": [net.names[j] for j in net.outputs],
        "depth": int(net.depth.max()),
        "paths": {"total": _all_paths(net), "pairs": pairs},
        "activations": _tally(net.activations[j] for j in neurons),
        "aggregations": _tally(net.aggregations[j] for j in neurons),
        "tied_weights": 0 if net.tie is None else net.weight_ties.n_parameters,
        "tied_biases": 0 if net.bias_tie is None else len(set(net.bias_tie[neurons].tolist())),
        "dead_ends": {
            "reach_no_output": [net.names[j] for j in np.flatnonzero(net.depth < 0)],
            "not_reached_from_inputs": [net.names[j] for j in np.flatnonzero(~reached)],
        },
        "dtype": str(net.dtype),
    }


def _all_paths(net: Network) -> int:
    """The number of paths from any input to any output, summed backwards over the out-arcs."""
    to_output = [0] * net.n_nodes
    for t in net.outputs.tolist():
        to_output[t] = 1
    tail, head = net.tail.tolist(), net.head.tolist()
    for e in reversed(net.plan.out_edge.tolist()):  # by position of the tail, so that every head is done
        to_output[tail[e]] += to_output[head[e]]
    return sum(to_output[i] for i in net.inputs.tolist())


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _counts(tally: dict[str, int]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in tally.items()) or "none"


def _names(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return f"{len(names):,}: {', '.join(names[:10])}" + (", …" if len(names) > 10 else "")


def _long(count: int) -> str:
    """A count in full up to 30 digits, beyond that its order of magnitude."""
    return f"{count:,}" if count < 10**30 else f"about 10^{int((count.bit_length() - 1) * math.log10(2))}"


@app.command(epilog="Example: `edgewise verify net.json --target o1`")
def verify(
    network: NetworkFile,
    input: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of samples; random ones, standard normal, if left out.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Node t; every output in turn if left out.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many random samples.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides the random samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Compute the sensitivities in every way there is and compare: recursion, paths, differences, decoupled network.

    Exit code 1 if they disagree.
    """
    from edgewise.verification import verify as compare

    net = formats.load(network)
    if input is None:
        x = np.random.default_rng(seed).standard_normal((samples, net.n_inputs))
    else:
        x = read_inputs(net, input, None)
    nodes = net.outputs.tolist() if target is None else [target_node(net, target)]
    reports = {net.names[node]: compare(net, x, target=node) for node in nodes}
    ok = all(report.ok for report in reports.values())
    if as_json:
        print(machine.as_json({"ok": ok, "targets": {name: report.to_dict() for name, report in reports.items()}}))
    else:
        for report in reports.values():
            print(report)
    if not ok:
        raise typer.Exit(1)


@app.command(epilog="Example: `edgewise convert net.json net.safetensors`")
def convert(
    a: Annotated[Path, typer.Argument(metavar="A", help="The network to read, as its suffix says.")],
    b: Annotated[
        Path,
        typer.Argument(
            metavar="B",
            help="To write: .json, .safetensors, .graphml, .csv, .parquet or .onnx; or .dot or .mmd, to be drawn.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Write a network in another format."""
    net = formats.load(a)
    formats.save(net, b)
    if as_json:
        print(machine.as_json({"written": str(b), "nodes": net.n_nodes, "edges": net.n_edges}))
    else:
        print(text.printable(f"wrote {b}: {net.n_nodes:,} nodes, {net.n_edges:,} edges"))
