"""What training leaves behind: one record per step for callbacks, one row per epoch for people."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, ClassVar

from numpy.typing import NDArray

from edgewise import gates
from edgewise.arrays import FloatArray
from edgewise.formats import atomic
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.results import BackwardPass

Samples = tuple[FloatArray, NDArray[Any], FloatArray | None]


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step, handed to every callback just after it. Where processes train together it is the whole
    step, the same in each."""

    step: int
    """Counted from 0 over the whole run."""
    epoch: int
    loss: float
    """Mean loss of the step's minibatch, before the step."""
    network: Network
    """The network after the step; not a copy."""
    before: Network
    """The same before the step, with parameters of its own."""
    loss_function: Loss
    n_samples: int
    """of the step"""
    batch_size: int
    """of each of its minibatches, but that the last may be smaller"""
    squared_gradient: float | None
    """|G|² of the step's mean gradient, if the steps are taken from Python; None if within the core."""
    make_samples: Callable[[int | None], Samples] = field(repr=False)
    make_backward: Callable[[int | None], BackwardPass] = field(repr=False)

    def samples(self, most: int | None = None) -> Samples:
        """A copy of x, y and weights (None if all are 1) of the step's samples, or of so many of them at most."""
        return self.make_samples(most)

    @cached_property
    def backward(self) -> BackwardPass:
        """Both passes over the minibatch, before the step; run when first asked for."""
        return self.make_backward(None)

    def backward_of(self, n: int) -> BackwardPass:
        """The same over the first n samples."""
        return self.make_backward(n)


@dataclass(frozen=True)
class EpochRecord:
    """The end of one epoch, after validation, handed to everyone in `on_epoch`."""

    epoch: int
    epochs: int
    """That there will be at most."""
    history: "History"
    """With this epoch's entries last; not a copy."""
    network: Network
    """Not a copy."""
    samples_per_second: float
    inputs: FloatArray = field(repr=False)
    """(≤ 256, n_inputs) some of the training samples."""

    @cached_property
    def open_gates(self) -> float:
        """Share of the neurons' gates that are open, over those samples; see `edgewise.gates`."""
        return gates.open_share(self.network, self.inputs)

    def to_dict(self) -> dict[str, Any]:
        """The epoch's numbers by name."""
        last = {name: column[-1] for name, column in self.history.to_dict().items()}
        return last | {"open_gates": self.open_gates, "samples_per_second": self.samples_per_second}


@dataclass(slots=True)
class History:
    """One entry per epoch; `metric` is the accuracy, or R² for a regression."""

    ENTRIES: ClassVar = (
        *("epoch", "loss", "metric", "validation_loss", "validation_metric", "learning_rate", "seconds"),
        *("best_epoch", "stopped_early"),
    )
    """What there is to save of it."""

    metric_name: str = ""
    epoch: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    """Mean over the epoch's steps, each weighted by its samples, of the loss before the step."""
    metric: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    """Empty without validation data, as is the next."""
    validation_metric: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    """Of the epoch's last step; empty without a schedule."""
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    """The epoch with the smallest validation loss."""
    stopped_early: bool = False
    network: Network | None = field(default=None, repr=False)
    """The trained network; the one given to `fit`, unless its arcs have changed."""

    def to_dict(self) -> dict[str, Any]:
        """The columns by name."""
        columns: dict[str, Any] = {"epoch": self.epoch, "loss": self.loss, "metric": self.metric}
        if self.validation_loss:
            columns |= {"validation_loss": self.validation_loss, "validation_metric": self.validation_metric}
        if self.learning_rate:
            columns |= {"learning_rate": self.learning_rate}
        return columns | {"seconds": self.seconds}

    def write_csv(self, path: str | PathLike[str]) -> None:
        """Write a row per epoch, whole or not at all; FormatError if it cannot be written."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.to_dict()
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        atomic.write_text(path, text.getvalue())
