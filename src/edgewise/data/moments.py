"""Mean and deviation of numbers that come in pieces."""

import math
from dataclasses import dataclass

import numpy as np

from edgewise.arrays import FloatArray


@dataclass(slots=True)
class Moments:
    """Mean and deviation of numbers that come in pieces, each merged with those before (Chan, Golub & LeVeque 1979).

    In units of the largest magnitude, so that squares of large numbers do not overflow.
    """

    count: int = 0
    largest: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared distances from the mean."""

    def add(self, values: FloatArray) -> None:
        """Some more of them, (n,)."""
        if not len(values):
            return
        values = values.astype(np.float64)
        largest = float(np.abs(values).max())
        unit = values / largest if largest > 0 else values
        self.merge(Moments(len(values), largest, float(unit.mean()), float(np.square(unit - unit.mean()).sum())))

    def merge(self, other: "Moments") -> None:
        """Those of other numbers too."""
        if not self.count or not other.count:
            found = self if self.count else other
            self.count, self.largest, self.mean, self.squares = found.count, found.largest, found.mean, found.squares
            return
        both, total = max(self.largest, other.largest), self.count + other.count
        mine, theirs = (self.largest / both, other.largest / both) if both > 0 else (1.0, 1.0)
        distance = other.mean * theirs - self.mean * mine
        self.mean = self.mean * mine + distance * (other.count / total)
        squares = self.squares * mine**2 + other.squares * theirs**2
        self.squares = squares + distance**2 * self.count * (other.count / total)
        self.count, self.largest = total, both

    def mean_and_scale(self) -> tuple[float, float]:
        """The mean and the deviation, for which 1 stands if all are the same."""
        deviation = math.sqrt(self.squares / self.count)
        # a deviation within rounding of the mean, or one that underflows, is a constant column
        constant = deviation <= 1e-12 or deviation * self.largest == 0
        return self.mean * self.largest, 1.0 if constant else deviation * self.largest
