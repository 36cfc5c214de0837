"""How good predictions are, beside a baseline that looks at nothing: accuracy of classes, R² of numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.data.moments import Moments
from edgewise.processes import Processes


class Score:
    """The score of predictions that come in pieces, and of always predicting the same.

    most_frequent : the class that is then predicted; None for numbers, of which it is 0, the mean they were scaled by.
    """

    def __init__(self, most_frequent: int | None) -> None:
        self._most_frequent = most_frequent
        self.n = 0
        self._right = self._right_always = 0
        self._errors = 0.0
        self._truth = Moments()

    def add(self, predicted: NDArray[Any], truth: NDArray[Any]) -> None:
        """Some more of both: (n,) classes by their number, or standardised numbers."""
        self.n += len(truth)
        if self._most_frequent is None:
            self._errors += float(((predicted.astype("f8") - truth) ** 2).sum())
            self._truth.add(truth)
        else:
            self._right += int((predicted == truth).sum())
            self._right_always += int((truth == self._most_frequent).sum())

    def of_all(self, processes: Processes) -> "Score":
        """Over what each of these processes has added."""
        mine, truth = [self.n, self._right, self._right_always, self._errors], self._truth
        of_each = processes.of_each(np.array([*mine, truth.count, truth.largest, truth.mean, truth.squares]))
        score = Score(self._most_frequent)
        for n, right, right_always, errors, count, *moments in of_each.tolist():
            score.n += int(n)
            score._right += int(right)
            score._right_always += int(right_always)
            score._errors += errors
            score._truth.merge(Moments(int(count), *moments))
        return score

    @property
    def has_meaning(self) -> bool:
        """Whether there is anything to score; R² needs numbers that differ."""
        return self.n > 0 and (self._most_frequent is not None or self._spread > 0)

    @property
    def score(self) -> float:
        """Accuracy, or 1 - Σ(o - y)² / Σ(y - mean y)²."""
        return self._right / self.n if self._most_frequent is not None else 1 - self._errors / self._spread

    @property
    def baseline(self) -> float:
        """The same of the baseline."""
        if self._most_frequent is not None:
            return self._right_always / self.n
        return -self.n * (self._truth.mean * self._truth.largest) ** 2 / self._spread

    @property
    def _spread(self) -> float:
        return self._truth.squares * self._truth.largest**2
