"""`edgewise explain`: why a gradient is as large or as small as it is."""

import sys

import numpy as np

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
from edgewise.diagnosis import Budget, diagnose, gradient_budget
from edgewise.network import Network
from edgewise.view import machine, text
from edgewise.view.text import TextTable

NODES_SHOWN = 10
PARTS = ("weights_db", "gates_db", "interference_db", "total_db")


@app.command(epilog="Example: `edgewise explain net.json --input x.csv --loss squared_error --labels y.csv`")
def explain(
    network: NetworkFile,
    input: InputFile,
    target: TargetNode = None,
    loss: LossName = None,
    labels: LabelFile = None,
    preprocessing: PreprocessingFile = None,
    as_json: Json = False,
) -> None:
    """Show how much of the gradient's size is due to weights, to gates and to interference of paths.

    Level by level, from the target or the loss on, in decibels, which add up; the nodes that lose most to gates; and,
    with a loss, what is wrong with the network as far as these samples tell.
    """
    net = formats.load(network)
    x = read_inputs(net, input, preprocessing)
    asked, name = read_objective(net, target, loss, labels)
    report = diagnose(net, x, **asked) if loss is not None else None
    budget = gradient_budget(net, x, **asked) if report is None else report.budget
    if as_json:
        found = {} if report is None else {"findings": report.to_dict()["findings"]}
        by_node = {"by_node": budget.of_nodes()}
        print(machine.as_json({"target": name, "nodes": net.names} | budget.to_dict() | by_node | found))
        return
    console = text.console(sys.stdout)
    console.print(f"{len(x)} {'sample' if len(x) == 1 else 'samples'}, target {text.printable(name)}, in decibels")
    for table in _tables(net, budget):
        text.show(console, table)
    for finding in () if report is None else report.findings:
        where = f", levels {', '.join(map(str, finding.levels))}" if finding.levels else ""
        console.print(f"{finding.severity}: {finding.code}, cause: {finding.cause}{where}")
        console.print(f"  {finding.says}\n  may help: {finding.remedy}")


def _tables(net: Network, budget: Budget) -> tuple[TextTable, TextTable]:
    levels = [(str(row.level), row) for row in budget.rows] + [("all", budget.total)]
    by_node = budget.of_nodes()
    order = np.argsort(by_node["gates_db"], kind="stable")  # NaN, which has no path, comes last
    worst = [j for j in order.tolist() if budget.depth[j] >= 0][:NODES_SHOWN]
    return (
        TextTable(
            "Level by level",
            ("level", "nodes", "weights", "gates", "interference", "total"),
            [[name, row.n_nodes, *(_rounded(getattr(row, part)) for part in PARTS)] for name, row in levels],
        ),
        TextTable(
            "Nodes that lose most to gates",
            ("node", "level", "weights", "gates", "interference", "total"),
            [[net.names[j], int(budget.depth[j]), *(_rounded(by_node[part][j]) for part in PARTS)] for j in worst],
        ),
    )


def _rounded(decibels: float) -> float:
    return round(float(decibels), 1) + 0.0
