"""Training in short runs of steps, so that a network can be edited and looked at between them."""

import time
from dataclasses import dataclass, field

import numpy as np

from edgewise.errors import DataError
from edgewise.optimizers import OptimizerState, named
from edgewise.plan import Plan
from edgewise.play.sketch import Sketch
from edgewise.training import fit

POINTS_KEPT = 1000
"""Of the curve of losses; when there are twice as many, every other one goes."""


@dataclass(slots=True)
class Trainer:
    """How training goes on: what the optimizer remembers, and where in the epoch it is.

    The steps are those of `edgewise.fit` with these minibatches, however they are cut into runs. Each epoch goes
    through the samples in an order of its own, drawn from the seed.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch_size: int = 32
    seed: int = 0
    epoch: int = 0
    step: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    """(steps taken, mean loss of the run of steps that ended there)"""
    _place: int = 0
    _state: OptimizerState = field(default_factory=OptimizerState)
    _of: tuple[Plan | None, str] = (None, "")
    """What the state belongs to: a structure, and an optimizer's name."""
    _at_once: int = 1

    def configure(
        self, *, optimizer: str | None = None, learning_rate: float | None = None, batch_size: int | None = None
    ) -> None:
        """Other settings from the next step on; DataError if they cannot be."""
        name = self.optimizer if optimizer is None else optimizer
        rate = self.learning_rate if learning_rate is None else learning_rate
        named(name)(learning_rate=rate)  # which checks both
        if batch_size is not None and batch_size < 1:
            raise DataError(f"the batch size must be a whole number ≥ 1, not {batch_size}")
        self.optimizer, self.learning_rate = name, rate
        self.batch_size = self.batch_size if batch_size is None else batch_size

    def run(self, sketch: Sketch, seconds: float) -> Sketch:
        """As many steps as take about so long, but at most to the end of the epoch."""
        began = time.perf_counter()
        after = self.steps(sketch, self._at_once)
        taken = time.perf_counter() - began
        self._at_once = max(1, min(100_000, int(self._at_once * min(2.0, seconds / max(taken, 1e-6)))))
        return after

    def steps(self, sketch: Sketch, count: int) -> Sketch:
        """The sketch after so many steps, or as many as the epoch still has.

        DataError if there is no loss to train for, or it is no longer finite: then nothing has changed.
        """
        check_loss(sketch)
        network = sketch.network.with_own_parameters()
        if self._of[0] is not network.plan or self._of[1] != self.optimizer:
            self._state = OptimizerState()
        state = OptimizerState(self._state.step, [moment.copy() for moment in self._state.moments])
        place = self._place if self._place < sketch.n_samples else 0
        order = np.random.default_rng((self.seed, self.epoch)).permutation(sketch.n_samples)
        rows = order[place : place + count * self.batch_size]
        history = fit(
            network,
            sketch.x[rows],
            sketch.y[rows],
            loss=sketch.loss,
            optimizer=named(self.optimizer)(learning_rate=self.learning_rate),
            epochs=1,
            batch_size=self.batch_size,
            shuffle=False,
            state=state,
            progress=False,
        )
        self._state, self._of = state, (network.plan, self.optimizer)
        self.step += -(-len(rows) // self.batch_size)
        self._place = place + len(rows)
        if self._place >= sketch.n_samples:
            self.epoch, self._place = self.epoch + 1, 0
        self._note(history.loss[-1])
        return sketch.with_network(network)

    def _note(self, loss: float) -> None:
        self.curve.append((self.step, loss))
        if len(self.curve) > 2 * POINTS_KEPT:
            del self.curve[::2]


def check_loss(sketch: Sketch) -> None:
    """DataError if there is no loss to train for."""
    if sketch.loss is None:
        raise DataError("a node is the target; choose a loss and what is wanted of the outputs, then train")
