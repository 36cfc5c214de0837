"""How well outputs match what was wanted: accuracy of a classification, R² of a regression; beside the mean loss."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.losses import Loss


def name_of(loss: Loss) -> str:
    return "accuracy" if loss.kind == "classification" else "r2"


def _right(loss: Loss, output: FloatArray, y: NDArray[Any]) -> NDArray[Any]:
    """Which of the (B, K) outputs are right, one answer for each sample or for each number of y."""
    if loss.labels == "index":
        return output.argmax(axis=1) == y
    return (output > 0) == (y > (0.5 if loss.labels == "binary" else 0))


class Tally:
    """Loss and metric over samples that come one step after another.

    Each step is summed by itself and then added to the steps before, so the sums are the same bits however many steps
    come at a time. R² is taken over all outputs together; its squares are of the distance from the first y, which keeps
    their difference accurate.
    """

    def __init__(self, loss: Loss, numbers: Sequence[Sequence[float]] = ((), (), ())) -> None:
        """numbers : what `numbers()` gave, to go on from there."""
        self._loss = loss
        sums, first, shift = (np.array(column, np.float64) for column in numbers)
        self.sums = sums if len(sums) else np.zeros(4 if loss.kind == "classification" else 5)
        """Loss, weight, answers, right answers; or loss, weight, answers, squared errors, squared distances."""
        self.first = first
        """(K,) the first y of a regression, empty before there is one."""
        self.shift = shift
        """(K,) sum of the distances from it."""

    def numbers(self) -> list[list[float]]:
        """All of it, as plain data."""
        return [self.sums.tolist(), self.first.tolist(), self.shift.tolist()]

    def add(
        self, loss: FloatArray, weight: FloatArray | None, output: FloatArray, y: NDArray[Any], step_size: int
    ) -> None:
        """(n,) losses, times their weights; (n,) weights or None; (n, K) outputs and y: some whole steps."""
        n = len(loss)
        if not n:
            return
        first = np.arange(0, n, step_size)

        def of_steps(each: NDArray[Any]) -> FloatArray:
            """Sums of (n,) or (n, K) numbers."""
            found: FloatArray = np.add.reduceat(each.ravel(), first * (each.size // n), dtype=np.float64)
            return found

        if self._loss.kind == "classification":
            columns = [_right(self._loss, output, y)]
        else:
            if not len(self.first):
                self.first, self.shift = y[0].astype(np.float64), np.zeros(y.shape[1])
            distance = y - self.first
            columns = [np.square(output - y), np.square(distance)]
            moved = np.add.reduceat(distance, first, axis=0)
            self.shift = np.add.accumulate(np.concatenate([self.shift[None], moved]))[-1]
        of_samples = np.minimum(step_size, n - first).astype(np.float64)
        sums = np.empty((1 + len(first), len(self.sums)))
        sums[0] = self.sums
        sums[1:, 0] = of_steps(loss)
        sums[1:, 1] = of_samples if weight is None else of_steps(weight)
        sums[1:, 2] = of_samples * (columns[0].size // n)
        for k, column in enumerate(columns, 3):
            sums[1:, k] = of_steps(column)
        self.sums = np.add.accumulate(sums)[-1]  # one step after another

    @property
    def loss(self) -> float:
        """Mean by weight; NaN if the samples weigh nothing."""
        return float(self.sums[0] / self.sums[1]) if self.sums[1] else math.nan

    @property
    def metric(self) -> float:
        """Accuracy, or R²: NaN where y does not vary, or where there was no sample."""
        if not self.sums[2]:
            return math.nan
        if self._loss.kind == "classification":
            return float(self.sums[3] / self.sums[2])
        spread = float(self.sums[4] - (self.shift**2).sum() / (self.sums[2] / len(self.shift)))
        return 1 - float(self.sums[3]) / spread if spread > 1e-12 * self.sums[4] else math.nan
