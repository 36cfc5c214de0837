"""Schedules: how the learning rate changes during training, as factors of the optimizer's own.

`fit` asks for the factors of one epoch's steps at a time. A schedule keeps no state: what it needs of the past is in
the history, so that the same run gives the same factors wherever it is taken up.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgewise.arrays import FloatArray
from edgewise.optimizers import check_number

if TYPE_CHECKING:
    from edgewise.history import History


class Schedule(Protocol):
    """What `fit` needs of a schedule."""

    def factors(self, epoch: FloatArray, epochs: int, history: "History") -> FloatArray:
        """(n,) factors ≥ 0 for steps at (n,) places `epoch`, each the middle of its step, of 0 to `epochs`."""
        ...


@dataclass(frozen=True, slots=True)
class StepDecay:
    """The rate is multiplied by `factor` after every so many epochs."""

    every: int = 30
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_number("every", self.every, 1, whole=True)
        check_number("factor", self.factor, 0)

    def factors(self, epoch: FloatArray, epochs: int, history: "History") -> FloatArray:
        found: FloatArray = self.factor ** np.floor(epoch / self.every)
        return found


@dataclass(frozen=True, slots=True)
class Cosine:
    """Half a cosine from 1 down to `last` (Loshchilov & Hutter 2017), after a straight rise from 0 over the share
    `warmup` of all epochs (Goyal et al. 2017)."""

    warmup: float = 0.0
    last: float = 0.0

    def __post_init__(self) -> None:
        check_number("warmup", self.warmup, 0, 1)
        check_number("last", self.last, 0, 1)

    def factors(self, epoch: FloatArray, epochs: int, history: "History") -> FloatArray:
        rise = self.warmup * epochs
        fallen = np.clip((epoch - rise) / (epochs - rise), 0, 1) if rise < epochs else np.zeros_like(epoch)
        fall: FloatArray = self.last + (1 - self.last) * (1 + np.cos(np.pi * fallen)) / 2
        return np.where(epoch < rise, epoch / rise, fall) if rise else fall


@dataclass(frozen=True, slots=True)
class ReduceOnPlateau:
    """The rate is multiplied by `factor` when the validation loss, or without validation the training loss, has for
    more than `patience` epochs not fallen by the share `threshold` below its best; not below the factor `least`."""

    factor: float = 0.5
    patience: int = 5
    threshold: float = 1e-4
    least: float = 1e-3

    def __post_init__(self) -> None:
        check_number("factor", self.factor, 0, 1)
        check_number("patience", self.patience, 0, whole=True)
        check_number("threshold", self.threshold, 0, 1)
        check_number("least", self.least, 0, 1)

    def factors(self, epoch: FloatArray, epochs: int, history: "History") -> FloatArray:
        best, waited, now = np.inf, 0, 1.0
        for loss in history.validation_loss or history.loss:
            if loss < best - self.threshold * abs(best) or not np.isfinite(best):
                best, waited = loss, 0
                continue
            waited += 1
            if waited > self.patience:
                now, waited = max(self.least, now * self.factor), 0
        return np.full(len(epoch), now)


NAMED: dict[str, Schedule | None] = {
    "constant": None,
    "step": StepDecay(),
    "cosine": Cosine(warmup=0.05),
    "plateau": ReduceOnPlateau(),
}
"""What the command line knows by name."""
