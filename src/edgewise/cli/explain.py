"""`edgewise explain`: why a gradient is as large or as small as it is."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgewise import data, formats, losses
from edgewise.arrays import FloatArray
from edgewise.cli.app import Json, app
from edgewise.cli.arguments import (
    LabelFile,
    LossName,
    PreprocessingFile,
    read_inputs,
    read_objective,
    read_preprocessing,
)
from edgewise.diagnosis import Budget, diagnose, gradient_budget
from edgewise.errors import DataError, FormatError
from edgewise.network import Network
from edgewise.view import machine, text
from edgewise.view.text import TextTable

NODES_SHOWN = MOMENTS_SHOWN = 10
PARTS = ("weights_db", "gates_db", "interference_db", "total_db")


@app.command(epilog="Example: `edgewise explain edgewise-run/digits`, or `edgewise explain net.json t.csv --target y`")
def explain(
    subject: Annotated[
        Path, typer.Argument(metavar="RUN|NETWORK", help="A folder that `edgewise train` wrote, or a network's file.")
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA", help="A table with the target; for a run the held-out rows if left out. Or see --input."
        ),
    ] = None,
    input: Annotated[Path | None, typer.Option(help="Instead of DATA: a row per sample, a column per input.")] = None,
    target: Annotated[
        str | None, typer.Option(help="With DATA the column to predict; else node t whose sensitivities are wanted.")
    ] = None,
    loss: LossName = None,
    labels: LabelFile = None,
    preprocessing: PreprocessingFile = None,
    as_json: Json = False,
) -> None:
    """Show why a network learns or does not: what weights, gates and interference make of the gradient.

    Level by level, from the loss or target on, in decibels, which add up; the nodes that lose most to gates; and, with
    a loss, what is wrong with the network as far as these samples tell, with remedies that were tried on them. Of a
    run that was watched (`edgewise train --watch`) also how that came about.
    """
    watched: dict[str, Any] | None = None
    asked: dict[str, Any]
    if subject.is_dir():
        if any(option is not None for option in (input, target, loss, labels, preprocessing)):
            raise DataError("a run has its own inputs, loss, labels and preprocessing; give none of them with it")
        from edgewise import run_overview
        from edgewise.prediction import Run

        run = Run.load(subject)
        net = run.network
        x, y, which = run_overview.samples(subject, run, source)
        asked, name = {"y": y, "loss": run.loss}, f"loss {run.loss.name}"
        watched = _watched(subject)
    else:
        net = formats.load(subject)
        if source is not None:
            x, asked, name = _of_table(net, source, input, target, loss, labels, preprocessing)
        elif input is None:
            raise DataError("give DATA, a table with the target, or --input, a file of inputs")
        else:
            x = read_inputs(net, input, preprocessing)
            asked, name = read_objective(net, target, loss, labels)
        which = f"{len(x)} {'sample' if len(x) == 1 else 'samples'}"
    report = diagnose(net, x, **asked) if "loss" in asked else None
    budget = gradient_budget(net, x, **asked) if report is None else report.budget
    if as_json:
        told = {} if report is None else report.to_dict()
        found: dict[str, Any] = {part: told[part] for part in ("findings", "trials", "spread_db") if part in told}
        found |= {} if watched is None else {"watch": watched}
        by_node = {"by_node": budget.of_nodes()}
        print(machine.as_json({"target": name, "nodes": net.names} | budget.to_dict() | by_node | found))
        return
    console = text.console(sys.stdout)
    console.print(text.printable(f"{which}, target {name}, in decibels"))
    for table in _tables(net, budget):
        text.show(console, table)
    if watched is not None:
        text.show(console, _series(watched))
    if report is not None:
        console.print("\n".join(report.found()))


def _of_table(
    net: Network,
    source: str,
    input: Path | None,
    target: str | None,
    loss: str | None,
    labels: Path | None,
    preprocessing: Path | None,
) -> tuple[FloatArray, dict[str, Any], str]:
    """Inputs, what is asked for and what that is called, from a table with a target column."""
    if input is not None or labels is not None:
        raise DataError("DATA has inputs and labels together: give no --input and no --labels with it")
    if target is None:
        raise DataError(f"which column of {source} is the target? Name it with --target")
    path = Path(source)
    if preprocessing is not None:
        learnt = read_preprocessing(preprocessing)
        x = read_inputs(net, path, preprocessing)
        column = next(iter(data.all_columns(source, [target])))
        y = learnt.labels(column, np.arange(len(x)))
        used = losses.get(loss or ("squared_error" if learnt.classes is None else "cross_entropy"))
        n_classes = None if learnt.classes is None else len(learnt.classes)
        return x, {"y": data.encode_target(used, n_classes, y, net.n_outputs), "loss": used}, f"loss {used.name}"
    inputs = [net.names[j] for j in net.inputs] if net.has_names else None
    names = inputs or [name for name in data.column_names(path) if name != target]
    if len(names) != net.n_inputs:
        raise DataError(f"{source} has {len(names)} columns beside {target!r}; the network has {net.n_inputs} inputs")
    x, y = data.read_numbers(path, names), data.read_numbers(path, [target])
    whole = net.n_outputs > 1 and bool((y == np.round(y)).all())
    used = losses.get(loss or ("cross_entropy" if whole else "squared_error"))
    return x, {"y": y[:, 0] if used.labels == "index" else y, "loss": used}, f"loss {used.name}"


def _watched(folder: Path) -> dict[str, Any] | None:
    """What a watch saw of the run, if one did."""
    path = folder / "watch.json"
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        if found["schema"] != 1:
            raise ValueError("it is of another version")
        _series(found)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise FormatError(f"{path} does not hold what a watch saw: {error}; train with --watch again") from None
    return found


def _series(watched: dict[str, Any]) -> TextTable:
    moments = watched["moments"]
    chosen = np.unique(np.linspace(0, len(moments) - 1, min(len(moments), MOMENTS_SHOWN)).astype(int)).tolist()
    rows = []
    for moment in (moments[k] for k in chosen):
        parts = [sum(float(level[part]) for level in moment["levels"][1:]) for part in PARTS]
        units = (f"{float(moment['open_gates']):.0%}", moment["dead"], moment["saturated"])
        rows.append([moment["step"], float(moment["loss"]), *map(_rounded, parts), *units])
    columns = ("step", "loss", "weights", "gates", "interference", "total", "open gates", "dead", "saturated")
    return TextTable("While it trained, from the loss to the inputs", columns, rows)


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
