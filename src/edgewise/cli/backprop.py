"""`edgewise backprop`: every quantity of both passes."""

import sys
from typing import Any

from edgewise import formats
from edgewise.cli.app import Json, NetworkFile, app
from edgewise.cli.arguments import (
    InputFile,
    LabelFile,
    LossName,
    PreprocessingFile,
    TargetNode,
    read_inputs,
    read_objective,
)
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view import machine, text
from edgewise.view.text import Cell, TextTable

ROWS_SHOWN, SAMPLES_SHOWN = 40, 3


@app.command(epilog="Example: `edgewise backprop net.json --input x.csv --loss squared_error --labels y.csv`")
def backprop(
    network: NetworkFile,
    input: InputFile,
    target: TargetNode = None,
    loss: LossName = None,
    labels: LabelFile = None,
    preprocessing: PreprocessingFile = None,
    as_json: Json = False,
) -> None:
    """Run both passes and show every quantity: values, gates, sensitivities, edge derivatives, gradients.

    Gradients of weights and biases are means over the samples; all else is per sample.
    """
    net = formats.load(network)
    x = read_inputs(net, input, preprocessing)
    asked, name = read_objective(net, target, loss, labels)
    run = net.backprop(x, **asked)
    if as_json:
        print(machine.as_json(_quantities(net, run, loss, name), indent=None))
        return
    console = text.console(sys.stdout)
    console.print(
        f"{len(x)} {'sample' if len(x) == 1 else 'samples'}, target {text.printable(name)}"
        + ("" if run.loss is None else f": {run.loss:.6g}")
    )
    for table in _mean_tables(net, run):
        text.show(console, table)
    for b in range(min(len(x), SAMPLES_SHOWN)):
        for table in _sample_tables(net, run, b):
            text.show(console, table)
    if len(x) > SAMPLES_SHOWN:
        console.print(f"… {SAMPLES_SHOWN} of {len(x):,} samples shown; --json gives all of them")


def _quantities(net: Network, run: BackwardPass, loss: str | None, target: str) -> dict[str, Any]:
    """Every quantity, in the order of nodes, edges and samples that the document itself states."""
    return {
        "nodes": net.names,
        "edges": [(net.names[i], net.names[j]) for i, j in zip(net.tail, net.head, strict=True)],
        "inputs": [net.names[j] for j in net.inputs],
        "outputs": [net.names[j] for j in net.outputs],
        "target": None if loss is not None else target,
        "loss": None if loss is None else {"name": loss, "mean": run.loss, "per_sample": run.loss_per_sample},
        "reduction": "mean",
        "weight": net.weight,
        "bias": net.bias,
        "response": net.response,
        "value": run.value,
        "preactivation": run.preactivation,
        "gate": run.gate,
        "output": run.output,
        "sensitivity": run.sensitivity,
        "linear_sensitivity": run.linear_sensitivity,
        "edge_derivative": run.edge_derivative,
        "weight_gradient": run.weight_gradient,
        "bias_gradient": run.bias_gradient,
        "response_gradient": run.response_gradient,
        "input_gradient": run.input_gradient,
        "weight_gradient_per_sample": run.weight_gradient_per_sample,
        "bias_gradient_per_sample": run.bias_gradient_per_sample,
    }


def _mean_tables(net: Network, run: BackwardPass) -> tuple[TextTable, TextTable]:
    nodes, edges = range(min(net.n_nodes, ROWS_SHOWN)), range(min(net.n_edges, ROWS_SHOWN))
    per_node = [
        (
            net.names[j],
            "input" if net.is_input[j] else net.activations[j],
            None if net.is_input[j] else float(net.bias[j]),
            None if net.is_input[j] else float(run.bias_gradient[j]),
            None if net.is_input[j] else float(net.response[j]),
            None if net.is_input[j] else float(run.response_gradient[j]),
        )
        for j in nodes
    ]
    per_edge = [(e, *ends(net, e), float(net.weight[e]), float(run.weight_gradient[e])) for e in edges]
    return (
        TextTable(
            "Nodes, gradients averaged over the samples",
            ("node", "activation", "bias b", "∂/∂b", "response r", "∂/∂r"),
            per_node,
            net.n_nodes,
        ),
        TextTable(
            "Edges, gradients averaged over the samples",
            ("edge", "tail i", "head j", "weight w", "∂/∂w"),
            per_edge,
            net.n_edges,
        ),
    )


def _sample_tables(net: Network, run: BackwardPass, b: int) -> tuple[TextTable, TextTable]:
    quantities = (run.value, run.preactivation, run.gate, run.sensitivity, run.linear_sensitivity)
    per_node: list[tuple[Cell, ...]] = [
        (net.names[j], *(float(q[b, j]) for q in quantities)) for j in range(min(net.n_nodes, ROWS_SHOWN))
    ]
    per_edge = [
        (e, *ends(net, e), float(run.edge_derivative[b, e]), float(run.weight_gradient_per_sample[b, e]))
        for e in range(min(net.n_edges, ROWS_SHOWN))
    ]
    return (
        TextTable(
            f"Sample {b + 1}, nodes",
            ("node", "value y", "preactivation s", "gate Φ′(s)", "S(j,t)", "S(j⁻,t)"),
            per_node,
            net.n_nodes,
        ),
        TextTable(f"Sample {b + 1}, edges", ("edge", "tail i", "head j", "z(i,j)", "∂/∂w"), per_edge, net.n_edges),
    )


def ends(net: Network, e: int) -> tuple[str, str]:
    return net.names[net.tail[e]], net.names[net.head[e]]
