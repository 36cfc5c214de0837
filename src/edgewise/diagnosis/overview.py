"""A batch's budget, findings, gates and sensitivities as the view's data: all that a report shows, level by node."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import gates
from edgewise.arrays import FloatArray
from edgewise.diagnosis.budget import Budget, gradient_budget, together
from edgewise.diagnosis.report import Report, Trial
from edgewise.diagnosis.signals import Batch
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view import scene

BINS = 40
DISTRIBUTIONS = 24
"""Of how many levels distributions are shown."""
MOST_LEVELS = 500
"""Of more levels several are one."""
MOST_CELLS = 10_000
"""Maps of more nodes hold the means of several."""
FEW_NODES = 500
"""More nodes of a finding are told by a bit for each node of the network."""
Data = dict[str, Any]
"""the trait `data` of a view, see `edgewise.view.scene`"""


def of_report(
    report: Report, *, curves: Mapping[str, Any] | None = None, facts: Sequence[tuple[str, str]] = ()
) -> Data:
    """What the view shows of a diagnosis: of a loss, with findings and what became of them where remedies were tried.

    curves : columns of a training run by name, `epoch` and `loss` among them, with `metric_name` and `best_epoch`.
    facts : a few more lines for the top of the page, each a name and what it is.
    """
    net, batch = report.network, report.batch
    found = _measured(net, _passes(net, batch), report.budget, share=report.nodes["share"])
    found |= {
        "facts": [*facts, ("target", f"the loss, {batch.loss.name}")],
        "curves": None if curves is None else dict(curves),
        "spread_db": report.spread,
        "findings": [
            finding.to_dict()
            | {
                "nodes": _places(finding.nodes, net.n_nodes),
                "trials": [_tried(trial) for trial in report.trials if trial.finding is finding],
            }
            for finding in report.findings
        ],
    }
    return scene.data(net, _passes(net, batch.first(scene.SAMPLES)), report=found)


def of_target(
    net: Network,
    x: ArrayLike,
    target: int | str | None = None,
    *,
    curves: Mapping[str, Any] | None = None,
    facts: Sequence[tuple[str, str]] = (),
    engine: str | None = None,
    threads: int | None = None,
) -> Data:
    """What the view shows where there are inputs and no labels: the same of one target node, without findings.

    x (B, n_inputs), target, engine, threads : as for `Network.backprop`; `curves`, `facts` : as for `of_report`.
    Raises DataError for data that do not fit.
    """
    budget = gradient_budget(net, x, target, engine=engine, threads=threads)
    batch = np.atleast_2d(np.asarray(x))
    bwd, first = (
        net.backprop(rows, target=target, engine=engine, threads=threads) for rows in (batch, batch[: scene.SAMPLES])
    )
    name = net.names[int(np.flatnonzero(budget.depth == 0)[0])]
    found = _measured(net, bwd, budget) | {
        "facts": [*facts, ("target", name)],
        "curves": None if curves is None else dict(curves),
        "findings": None,
    }
    return scene.data(net, first, report=found)


def of_network(net: Network, *, curves: Mapping[str, Any] | None = None, facts: Sequence[tuple[str, str]] = ()) -> Data:
    """What the view shows where there are no samples: the network, and `curves` and `facts` as for `of_report`."""
    report = {"facts": list(facts), "curves": None if curves is None else dict(curves), "findings": None}
    return scene.data(net, report=report)


def _passes(net: Network, batch: Batch) -> BackwardPass:
    weight, engine, threads = batch.sample_weight, batch.engine, batch.threads
    x = batch.x.astype(net.dtype)
    return net.backprop(x, y=batch.y, loss=batch.loss, sample_weight=weight, engine=engine, threads=threads)


def _measured(net: Network, bwd: BackwardPass, budget: Budget, **more: FloatArray) -> dict[str, Any]:
    """Everything of samples, nodes and levels.

    A level is d(i), arcs on the longest path to the target, or `levels_every` of these together; maps are of nodes, or
    of `maps_each` nodes of a level together.

    more : further maps, (N,).
    """
    value, gate, sensitivity = (np.asarray(a, np.float64) for a in (bwd.value, bwd.gate, bwd.sensitivity))
    neurons = ~net.is_input
    by_node = budget.of_nodes()
    with np.errstate(all="ignore"):
        maps = {
            "value": value.mean(axis=0),
            "gate": np.where(neurons, gate.mean(axis=0), np.nan),
            "closed": np.where(neurons, gates.closed(net, gate).mean(axis=0), np.nan),
            "total_db": by_node["total_db"],
            "gates_db": by_node["gates_db"],
        } | more
        sizes = 20 * np.log10(np.abs(sensitivity))
    every = -(-len(budget.rows) // MOST_LEVELS)
    level = np.where(budget.depth < 0, -1, budget.depth // max(every, 1)).astype(np.int32)
    n_levels = int(level.max(initial=-1)) + 1
    each, cell = (None, None) if net.n_nodes <= MOST_CELLS else _cells(net, level)
    shown = np.unique(np.linspace(0, n_levels - 1, min(n_levels, DISTRIBUTIONS)).round().astype(int)).tolist()
    all_nodes = np.ones(net.n_nodes, np.bool_)
    return {
        "n_samples": len(value),
        "loss": bwd.loss,
        "levels": scene.packed(level),
        "levels_every": every,
        "budget": _in_rows(budget, every),
        "maps": {
            name: scene.packed((array if cell is None else _means(array, cell)).astype(np.float32))
            for name, array in maps.items()
        },
        "maps_each": each,
        "distributions": {
            "levels": shown,
            "value": _histograms(value, level, shown, all_nodes),
            "gate": _histograms(gate, level, shown, neurons),
            "sensitivity_db": _histograms(sizes, level, shown, all_nodes),
        },
    }


def _in_rows(budget: Budget, every: int) -> dict[str, Any]:
    """The budget as plain data, so many of its rows as one."""
    if every <= 1:
        return budget.to_dict()
    groups = [budget.rows[k : k + every] for k in range(0, len(budget.rows), every)]
    rows = [replace(together(rows), level=k).to_dict() for k, rows in enumerate(groups)]
    return budget.to_dict() | {"rows": rows}


def _cells(net: Network, level: NDArray[np.int32]) -> tuple[int, NDArray[np.int64]]:
    """How many nodes of a level make a cell, and (N,) the cell of each node, by level and then as drawn; -1 for nodes
    without a level."""
    width = np.bincount(level[level >= 0])
    each = max(1, -(-int(width.sum()) // (MOST_CELLS - len(width))))  # at most one cell of each level is not full
    some = np.flatnonzero(level >= 0)
    some = some[np.lexsort((some, scene.across(net)[some], level[some]))]
    first = np.cumsum(width) - width
    first_cell = np.cumsum(-(-width // each)) - -(-width // each)
    cell = np.full(net.n_nodes, -1)
    of = level[some]
    cell[some] = first_cell[of] + (np.arange(len(some)) - first[of]) // each
    return each, cell


def _means(array: FloatArray, cell: NDArray[np.int64]) -> FloatArray:
    """The mean of the finite numbers of each cell; of a cell that has none what its last node has."""
    found = np.full(int(cell.max(initial=-1)) + 1, np.nan)
    found[cell[cell >= 0]] = array[cell >= 0]
    some = (cell >= 0) & np.isfinite(array)
    count, total = (np.bincount(cell[some], weights, len(found)) for weights in (None, array[some]))
    return np.where(count > 0, total / np.maximum(count, 1), found)


def _places(nodes: Sequence[int], n_nodes: int) -> dict[str, Any]:
    places = np.array(nodes, np.int32)
    return scene.packed(places if len(nodes) <= FEW_NODES else np.isin(np.arange(n_nodes), places))


def _tried(trial: Trial) -> dict[str, Any]:
    """What is shown of a trial: of its budget the first row and the total."""
    told = trial.to_dict()
    return told | {"budget": told["budget"] | {"rows": told["budget"]["rows"][:1]}}


def _histograms(
    array: FloatArray, level: NDArray[np.int32], shown: Sequence[int], some: NDArray[np.bool_]
) -> dict[str, Any]:
    """Of the levels that are shown the numbers (B, N) of some nodes in BINS equal bins, the same for all levels.

    `apart` counts those that are no finite numbers, as decibels of nothing are not.
    """
    chosen = array[:, some & (level >= 0)]
    finite = chosen[np.isfinite(chosen)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):  # all the same
        half = max(abs(low), 1.0) / 2
        low, high = low - half, high + half
    counts, apart = [], []
    for k in shown:
        numbers = array[:, some & (level == k)]
        here = numbers[np.isfinite(numbers)]
        counts.append(np.histogram(here, BINS, (low, high))[0])
        apart.append(numbers.size - here.size)
    return {"low": low, "high": high, "counts": scene.packed(np.array(counts).reshape(-1, BINS)), "apart": apart}
