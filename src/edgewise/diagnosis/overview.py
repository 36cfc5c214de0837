"""A batch's budget, findings, gates and sensitivities as the view's data: all that a report shows, level by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import gates
from edgewise.arrays import FloatArray
from edgewise.diagnosis.budget import Budget, gradient_budget
from edgewise.diagnosis.report import Report
from edgewise.diagnosis.signals import Batch
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view import scene

BINS = 40
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
    found = _measured(net, _passes(net, batch), report.budget)
    found["maps"]["share"] = scene.packed(report.nodes["share"].astype(np.float32))
    found |= {
        "facts": [*facts, ("target", f"the loss, {batch.loss.name}")],
        "curves": None if curves is None else dict(curves),
        "spread_db": report.spread,
        "findings": [
            finding.to_dict()
            | {
                "nodes": scene.packed(np.array(finding.nodes, np.int32)),
                "trials": [trial.to_dict() for trial in report.trials if trial.finding is finding],
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


def _measured(net: Network, bwd: BackwardPass, budget: Budget) -> dict[str, Any]:
    """Everything of samples, nodes and levels; a level is d(i), arcs on the longest path to the target."""
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
        }
        sizes = 20 * np.log10(np.abs(sensitivity))
    return {
        "n_samples": len(value),
        "loss": bwd.loss,
        "levels": scene.packed(budget.depth),
        "budget": budget.to_dict(),
        "maps": {name: scene.packed(array.astype(np.float32)) for name, array in maps.items()},
        "distributions": {
            "value": _histograms(value, budget.depth, np.ones(net.n_nodes, np.bool_)),
            "gate": _histograms(gate, budget.depth, neurons),
            "sensitivity_db": _histograms(sizes, budget.depth, np.ones(net.n_nodes, np.bool_)),
        },
    }


def _histograms(array: FloatArray, depth: NDArray[np.int32], some: NDArray[np.bool_]) -> dict[str, Any]:
    """Of each level the numbers (B, N) of some nodes in BINS equal bins, the same for all levels; `apart` counts those
    that are no finite numbers, as decibels of nothing are not."""
    chosen = array[:, some & (depth >= 0)]
    finite = chosen[np.isfinite(chosen)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):  # all the same
        half = max(abs(low), 1.0) / 2
        low, high = low - half, high + half
    counts, apart = [], []
    for level in range(int(depth.max(initial=-1)) + 1):
        numbers = array[:, some & (depth == level)]
        here = numbers[np.isfinite(numbers)]
        counts.append(np.histogram(here, BINS, (low, high))[0])
        apart.append(numbers.size - here.size)
    return {"low": low, "high": high, "counts": scene.packed(np.array(counts).reshape(-1, BINS)), "apart": apart}
