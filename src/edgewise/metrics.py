"""How well outputs match what was wanted: accuracy of a classification, R² of a regression; beside the mean loss."""

import math
from collections.abc import Sequence

import numpy as np

from edgewise import _core
from edgewise.arrays import FloatArray
from edgewise.batches import Chunk
from edgewise.losses import Loss
from edgewise.processes import Processes


def name_of(loss: Loss) -> str:
    return "accuracy" if loss.kind == "classification" else "r2"


class Tally:
    """Loss and metric over samples that come one step after another.

    Each step is summed by itself and then added to the steps before, so the sums are the same bits however many steps
    come at a time. R² is taken over all outputs together; its squares are of the distance from the first y, which keeps
    their difference accurate.
    """

    def __init__(self, loss: Loss, numbers: Sequence[Sequence[float]] = ((), (), ())) -> None:
        """numbers : what `numbers()` gave, to go on from there."""
        self._loss = loss
        sums, origin, shift = numbers
        self._sums = np.array(sums) if sums else np.zeros(4 if loss.kind == "classification" else 5)
        """Loss, weight, answers, right answers; or loss, weight, answers, squared errors, squared distances."""
        self._origin = np.array(origin, np.float64)
        """(K,) the first y of a regression, empty before there is one."""
        self._shift = np.array(shift, np.float64)
        """(K,) sum of the distances from it."""

    def numbers(self) -> list[list[float]]:
        """All of it, as plain data."""
        return [self._sums.tolist(), self._origin.tolist(), self._shift.tolist()]

    def numbers_of_each(self, processes: Processes, n_outputs: int) -> list[list[list[float]]]:
        """What `numbers()` gives in each of these processes, by rank."""
        origin, shift = np.zeros(n_outputs), np.zeros(n_outputs)
        n = len(self._origin)
        origin[:n], shift[:n] = self._origin, self._shift
        of_each = processes.of_each(np.concatenate([self._sums, [n], origin, shift]))
        k = len(self._sums)
        return [
            [row[:k].tolist(), row[k + 1 :][: int(row[k])].tolist(), row[k + 1 + n_outputs :][: int(row[k])].tolist()]
            for row in of_each
        ]

    def add(self, loss: FloatArray, output: FloatArray, chunk: Chunk, places: slice, step_size: int) -> None:
        """Losses (n,), times their weights, and outputs (n, K) at these places of the chunk's order: whole steps."""
        order, y = chunk.order[places], chunk.y
        if not len(order):
            return
        samples = loss.astype(output.dtype, copy=False), output, y, chunk.weight, order, step_size, self._sums
        if self._loss.labels == "index":
            _core.tally_classes(*samples)
        elif self._loss.kind == "classification":
            _core.tally_signs(*samples, 0.5 if self._loss.labels == "binary" else 0.0)
        else:
            if not len(self._origin):
                self._origin, self._shift = y[order[0]].astype(np.float64), np.zeros(y.shape[1])
            _core.tally_numbers(*samples, self._origin, self._shift)

    def of_all(self, processes: Processes, n_outputs: int) -> "Tally":
        """Over the samples of all processes, the same numbers in each."""
        sums = self._sums.copy()
        if self._loss.kind == "classification":
            return Tally(self._loss, [processes.add_up(sums).tolist(), [], []])
        here = len(self._origin) > 0
        origin, shift = (self._origin, self._shift) if here else (np.zeros(n_outputs), np.zeros(n_outputs))
        common = processes.add_up(origin * processes.is_first)
        moved, answers = origin - common, sums[2] / n_outputs
        sums[4] += 2 * float(moved @ shift) + answers * float(moved @ moved)
        shift = processes.add_up(shift + answers * moved)
        return Tally(self._loss, [processes.add_up(sums).tolist(), common.tolist(), shift.tolist()])

    @property
    def loss(self) -> float:
        """Mean by weight; NaN if the samples weigh nothing."""
        loss, weight, *_ = self._sums.tolist()
        return loss / weight if weight else math.nan

    @property
    def metric(self) -> float:
        """Accuracy, or R²: NaN where y does not vary, or where there was no sample."""
        _, _, answers, right, *squares = self._sums.tolist()
        if not answers:
            return math.nan
        if self._loss.kind == "classification":
            return right / answers
        spread = squares[0] - float(self._shift @ self._shift) / (answers / len(self._shift))
        return 1 - right / spread if spread > 1e-12 * squares[0] else math.nan
