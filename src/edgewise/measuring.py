"""How a trained network does on the rows held out, and how its gates stand there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import data, gates
from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.prepared import Prepared, Samples, encoded
from edgewise.scores import Score

SAMPLES_MEASURED = 1000
"""At most this many held-out samples go into the table of levels, evenly spread."""


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes that lie at one depth from the inputs (longest path), over held-out samples; mean J as target."""

    level: int
    nodes: int
    activation: str
    mean_gate: float | None
    """Mean of Φ′; None for the inputs, which have no gate."""
    closed_gates: float | None
    """Share of the gates with |Φ′| < 5 % of the activation's largest (of 0 itself where that is unbounded)."""
    sensitivity: float
    """Root mean square of S(j, J)."""
    linear_sensitivity: float
    """Root mean square of S(j⁻, J)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How the network does on the held-out rows."""

    loss: float
    """NaN if an output is not finite."""
    score: float
    baseline: float
    baseline_predicts: str
    samples: Samples
    """At most SAMPLES_MEASURED of them, evenly spread."""


def measure(prepared: Prepared, network: Network) -> Measured:
    """A pass over the held-out rows, a piece at a time; of several processes each goes through what it has of them."""
    n, kinds = prepared.rows["held_out"], prepared.preprocessing.classes
    chosen = np.unique(np.linspace(0, n - 1, min(n, SAMPLES_MEASURED)).astype(int))
    labels = np.zeros(len(chosen), np.float64 if kinds is None else np.int64)
    kept_x = np.zeros((len(chosen), network.n_inputs), network.dtype)
    kept_y = np.zeros_like(encoded(labels, prepared.preprocessing, prepared.loss, network))
    score = Score(prepared.most_frequent)

    def total_loss() -> float:
        loss = 0.0
        for first, x, y in prepared.held_out(network):
            output = network.forward(x).output
            if not np.isfinite(output).all():
                return np.nan
            of_samples = network.backprop(x, y=y, loss=prepared.loss).loss_per_sample
            assert of_samples is not None
            loss += float(of_samples.sum(dtype=np.float64))
            if prepared.most_frequent is None:
                score.add(output[:, 0], y[:, 0])
            else:
                score.add(data.predicted_classes(output), _classes_of(y))
            here = np.flatnonzero((chosen >= first) & (chosen < first + len(x)))
            kept_x[here], kept_y[here] = x[chosen[here] - first], y[chosen[here] - first]
        return loss

    loss = total_loss() if prepared.apart is None else prepared.apart.each(total_loss)
    if prepared.apart is not None:
        loss = float(prepared.apart.add_up(np.array([loss]))[0])
        kept_x, kept_y = prepared.apart.add_up(kept_x), prepared.apart.add_up(kept_y)
        score = score.of_all(prepared.apart)
    if np.isfinite(loss) and not score.has_meaning:
        raise DataError("the target is the same in every held-out row, so R² has no meaning; use a larger --test-share")
    if not np.isfinite(loss):
        return Measured(np.nan, np.nan, np.nan, "", (np.empty(0), np.empty(0)))
    target, most = prepared.preprocessing.target, prepared.most_frequent
    predicts = f"{target.mean:.6g}" if isinstance(target, data.NumberTarget) else target.classes[most or 0]
    return Measured(loss / n, score.score, score.baseline, predicts, (kept_x, kept_y))


def _classes_of(y: NDArray[Any]) -> NDArray[Any]:
    """Class indices (B,) back from y as a loss takes it."""
    return y if y.ndim == 1 else data.predicted_classes(y)


def measure_levels(network: Network, x: FloatArray, y: NDArray[Any], loss: Loss) -> tuple[Level, ...]:
    """Gates and sensitivities of the loss, level by level, over at most SAMPLES_MEASURED of the samples."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLES_MEASURED)).astype(int))
    run = network.backprop(x[chosen], y=y[chosen], loss=loss)
    closed = gates.closed(network, run.gate)
    plan = network.plan
    levels = []
    for level in range(plan.n_levels):
        nodes = plan.order[plan.level_start[level] : plan.level_start[level + 1]]
        neurons = nodes[~network.is_input[nodes]]
        kinds = sorted({network.activations[j] for j in neurons})
        levels.append(
            Level(
                level,
                len(nodes),
                "input" if not kinds else ", ".join(kinds),
                float(run.gate[:, neurons].mean()) if len(neurons) else None,
                float(closed[:, neurons].mean()) if len(neurons) else None,
                _rms(run.sensitivity[:, nodes]),
                _rms(run.linear_sensitivity[:, nodes]),
            )
        )
    return tuple(levels)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))
