"""Pictures on matplotlib's axes: a network, its gates, its gradient budget, the course of its training. They need
`edgewise[plot]`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from edgewise import activations
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, MissingDependencyError
from edgewise.formats import drawing
from edgewise.history import History
from edgewise.network import Network
from edgewise.results import BackwardPass, ForwardPass
from edgewise.view import curves
from edgewise.view.layout import Layout, layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgewise.diagnosis import Budget

POSITIVE, NEGATIVE, NEUTRAL = "#0b5394", "#b45f06", "#555555"
"""Blue and orange, told apart by colour-blind eyes too; negative is dashed besides."""
MOST_NAMED, BOW = 60, 0.18
_PARTS = {"weights_db": (POSITIVE, ""), "gates_db": (NEGATIVE, "//"), "interference_db": ("#8a8a8a", "..")}
_BAR = 0.27


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingDependencyError("matplotlib", "plot", "a picture") from None
    return pyplot.gca()


def network(
    net: Network,
    bwd: BackwardPass | None = None,
    *,
    sample: int = 0,
    ax: "Axes | None" = None,
    names: bool | None = None,
) -> "Axes":
    """Draw the network in levels, from left to right, with few crossings; every skip and parallel arc is seen.

    bwd : a pass over it, of one target. Then a node is as dark as its gate is closed, |Φ′| beside the largest that its
        activation can have, and an arc as wide as |z|; without one, as |w|.
    names : whether to write names; None writes them for up to 60 nodes. Inputs are squares, outputs have two rings,
        arcs of negative weight are orange and dashed.

    Returns the axes, the current ones unless `ax` is given. DataError if the pass is not over this network.
    """
    axes = _axes(ax)
    from matplotlib.collections import LineCollection

    shown = drawing.labels(net, bwd, sample)
    place = layout(net)
    lines = [_curve(net, place, e, bow) for e, bow in enumerate(_bows(net))]
    negative = (net.weight < 0).tolist()
    axes.add_collection(
        LineCollection(
            lines,
            linewidths=[0.4 + 2.6 * share for share in shown.strength],
            colors=[NEGATIVE if below else POSITIVE for below in negative],
            linestyles=["dashed" if below else "solid" for below in negative],
            alpha=0.75,
            zorder=1,
        )
    )
    openness = np.ones(net.n_nodes)
    if bwd is not None:
        openness = _openness(net, drawing.of_sample(bwd.gate, sample))
    size = float(np.clip(9000 / max(net.n_nodes, 12), 18, 500))
    for chosen, marker in ((net.is_input, "s"), (~net.is_input, "o")):
        axes.scatter(
            place.x[chosen],
            -place.y[chosen],
            s=size,
            c=openness[chosen],
            cmap="cividis",
            vmin=0,
            vmax=1,
            marker=marker,
            edgecolors="black",
            linewidths=0.8,
            zorder=3,
        )
    outputs = net.outputs
    axes.scatter(
        place.x[outputs],
        -place.y[outputs],
        s=size * 1.7,
        marker="o",
        facecolors="none",
        edgecolors="black",
        linewidths=0.8,
        zorder=2,
    )
    if names if names is not None else net.n_nodes <= MOST_NAMED:
        for j, name in enumerate(net.names):
            axes.annotate(
                _short(name),
                (place.x[j], -place.y[j]),
                xytext=(0, size**0.5 * 0.5 + 3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                zorder=4,
                parse_math=False,
            )
    axes.set_axis_off()
    axes.margins(0.08, 0.12)
    axes.autoscale_view()
    return axes


def _short(name: str) -> str:
    shown = drawing.printable(name)
    return shown if len(shown) <= 16 else shown[:15] + "…"


def _bows(net: Network) -> list[float]:
    """(E,) how far each arc bends, so that parallel ones are told apart."""
    seen: dict[tuple[int, int], int] = {}
    found = []
    for pair in zip(net.tail.tolist(), net.head.tolist(), strict=True):
        k = seen[pair] = seen.get(pair, -1) + 1
        found.append(BOW * ((k + 1) // 2) * (1 if k % 2 else -1))
    return found


def _curve(net: Network, place: Layout, e: int, bow: float) -> FloatArray:
    """Points along an arc: level between nodes and waypoints, bent by `bow`."""
    i, j = net.tail[e], net.head[e]
    stops = [place.y[i], *place.routes[e], place.y[j]]
    x = np.linspace(place.x[i], place.x[j], len(stops))
    t = np.linspace(0, 1, 9)
    ease = t * t * (3 - 2 * t)
    points = [
        np.column_stack([a + (b - a) * t, -(c + (d - c) * ease)])
        for a, b, c, d in zip(x, x[1:], stops, stops[1:], strict=False)
    ]
    curve = np.concatenate(points)
    curve[:, 1] += bow * np.sin(np.linspace(0, np.pi, len(curve)))
    return curve


def _openness(net: Network, gate: FloatArray) -> FloatArray:
    """(..., N) |Φ′| as a share of the largest that the activation can have, or of 1 where that has no limit."""
    largest = np.array([activations.get(name).max_gate for name in net.activations])
    return np.clip(np.abs(gate) / np.where(np.isfinite(largest), largest, 1), 0, 1)


def gates(net: Network, fwd: ForwardPass, *, ax: "Axes | None" = None) -> "Axes":
    """How far the gates are open, as a heat map: a row for each level, a cell for each of its neurons.

    A cell is the mean over the samples of |Φ′| beside the largest that the activation can have; within a level the most
    closed come first. Returns the axes, the current ones unless `ax` is given. DataError if the pass is not over this
    network.
    """
    axes = _axes(ax)
    gate = np.atleast_2d(fwd.gate)
    if gate.shape[-1] != net.n_nodes:
        raise DataError(f"the pass is over {gate.shape[-1]} nodes, the network has {net.n_nodes}")
    mean = _openness(net, gate).mean(axis=0)
    rows = [[mean[j] for j in level if not net.is_input[j]] for level in drawing.levels(net)]
    kept = [(k, np.sort(row)) for k, row in enumerate(rows) if row]
    table = np.full((len(kept), max((len(row) for _, row in kept), default=1)), np.nan)
    for r, (_, row) in enumerate(kept):
        table[r, : len(row)] = row
    image = axes.imshow(table, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(kept)), [str(k) for k, _ in kept])
    axes.set_ylabel("level")
    axes.set_xlabel("neurons, the most closed first")
    axes.figure.colorbar(image, ax=axes, label="gate, from closed (0) to open (1)")
    return axes


def budget(budget: "Budget", *, ax: "Axes | None" = None) -> "Axes":
    """A gradient budget as a waterfall: what weights, gates and interference add or take from each level to the next,
    in decibels, and a line for what has arrived there.

    What is infinite ends in an arrow at the edge. Returns the axes, the current ones unless `ax` is given.
    """
    axes = _axes(ax)
    axes.use_sticky_edges = False
    arrived = np.cumsum([row.total_db for row in budget.rows])
    before = np.append(0, arrived[:-1])
    told = np.isfinite(before)  # where nothing arrives, nothing is to be told
    levels = np.array([row.level for row in budget.rows])[told]
    steps = np.array([[getattr(row, name) for name in _PARTS] for row in budget.rows])[told]
    finite = np.where(np.isfinite(steps), steps, 0)
    base = before[told, None] + finite.cumsum(axis=1) - finite
    for k, (name, (colour, hatch)) in enumerate(_PARTS.items()):
        x = levels + (k - 1) * _BAR
        looks: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4, "zorder": 2}
        axes.bar(x, finite[:, k], _BAR, bottom=base[:, k], label=name.removesuffix("_db"), **looks)
        for at, step, bottom in zip(x.tolist(), steps[:, k].tolist(), base[:, k].tolist(), strict=True):
            if np.isinf(step):
                end = (at, 0 if step < 0 else 1)
                arrow = {"arrowstyle": "->", "color": colour}
                axes.annotate(
                    "", end, (at, bottom), xycoords=("data", "axes fraction"), textcoords="data", arrowprops=arrow
                )
    arrived = np.where(np.isfinite(arrived), arrived, np.nan)[told]
    axes.plot(levels, arrived, "o-", color="black", ms=3, lw=1, label="arrived")
    axes.axhline(0, color=NEUTRAL, lw=0.6, zorder=1)
    axes.set_xlabel("level: arcs to the loss, or target")
    axes.set_ylabel("decibels")
    axes.legend(frameon=False)
    return axes


def history(history: History, *, quantity: str = "loss", ax: "Axes | None" = None) -> "Axes":
    """The course of a training run: its loss, or its metric, over the epochs, training and validation.

    Returns the axes, the current ones unless `ax` is given. DataError for another quantity.
    """
    axes = _axes(ax)
    match quantity:
        case "loss":
            name, training, validation = "loss", history.loss, history.validation_loss
        case "metric":
            name, training, validation = history.metric_name, history.metric, history.validation_metric
        case _:
            raise DataError(f"quantity must be 'loss' or 'metric', not {quantity!r}")
    curves.draw(axes, history.epoch, name, training, validation, history.best_epoch)
    axes.legend(frameon=False)
    axes.set_xlabel("epoch")
    return axes
