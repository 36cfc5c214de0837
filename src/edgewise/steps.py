"""Who takes the steps of training: the compiled core where it knows all that is asked for, else this module.

Both keep, of every parameter, the parameter itself, the optimizer's moments, and its moving average if one is wanted.
Outside they are pairs: (E,) of the weights and (N,) of the biases, in the network's order.
"""

import time
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np

from edgewise import dropout, objective
from edgewise.arrays import FloatArray, IntArray
from edgewise.batches import Chunk
from edgewise.engine import NativeLook, Work, backward, training
from edgewise.errors import DataError
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.optimizers import SGD, Adam, AdamW, Optimizer, OptimizerState
from edgewise.processes import Processes
from edgewise.results import BackwardPass

Pair = tuple[FloatArray, FloatArray]
"""Of the weights (E,) and of the biases (N,)."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a step follows from a minibatch."""

    loss: Loss
    optimizer: Optimizer
    batch_size: int
    accumulate: int
    clip_norm: float | None
    l1: float
    average: float
    dropout: float
    seed: int
    engine: str | None = field(compare=False)
    threads: int | None = field(compare=False)
    processes: Processes | None = field(compare=False, default=None)
    """Those that train together; batch_size is then this one's share of a minibatch."""

    @property
    def step_size(self) -> int:
        """Samples that make a step."""
        return self.batch_size * self.accumulate

    @property
    def alone(self) -> "Method":
        """The same in one process."""
        if self.processes is None:
            return self
        return replace(self, batch_size=self.batch_size * self.processes.size, processes=None)

    def backward(
        self, network: Network, chunk: Chunk, places: slice, minibatch: int | None = None, *, mean: bool = True
    ) -> BackwardPass:
        """Both passes over these places of a chunk's order; with dropout, as in the step, for a numbered minibatch."""
        x, y, weight = chunk.rows(places)
        kept = None
        if self.dropout and minibatch is not None:
            share = (0, 1) if self.processes is None else (self.processes.rank, self.processes.size)
            sizes = [min(self.batch_size, len(x) - first) for first in range(0, len(x), self.batch_size)]
            kept = np.concatenate(
                [
                    dropout.kept(network, self.dropout, self.seed, minibatch + k, size, *share)
                    for k, size in enumerate(sizes)
                ],
                axis=1,
            )
        start, one_target = objective.read(network, len(x), None, y, self.loss, weight, None)
        quantities = backward(self.engine, network, x, start, self.threads, kept)
        return BackwardPass(quantities, one_sample=False, one_target=one_target, mean=mean)


class Steps(Protocol):
    """Who takes the steps; see `edgewise.engine.native.NativeTraining`."""

    @property
    def diverged(self) -> bool: ...
    @property
    def steps(self) -> int: ...
    @property
    def squared_gradient(self) -> float | None: ...
    def run(self, work: Work, place: int, n_steps: int, seconds: float, look: NativeLook | None = None) -> int: ...
    @property
    def n_arrays(self) -> int: ...
    def array(self, which: int) -> Pair: ...
    def put(self, which: int, network: Network) -> None: ...
    def go_on(self, steps: int, arrays: list[Pair]) -> None: ...


def begin(network: Network, method: Method) -> Steps:
    """From the network's parameters on, nothing remembered yet. DataError if they cannot be written to."""
    for what, array in (("weights", network.weight), ("biases", network.bias)):
        if not array.flags.writeable:
            raise DataError(f"the network's {what} are read-only, so it cannot be trained; train net.copy()")
    optimizer = method.optimizer
    known = method.loss.compiled is not None and type(optimizer) in (SGD, Adam, AdamW)
    if known and method.processes is None:
        compiled = training(
            method.engine,
            network,
            loss=method.loss,
            optimizer={
                "kind": type(optimizer).__name__.lower(),
                **{f.name: getattr(optimizer, f.name) for f in fields(optimizer)},  # type: ignore[arg-type]
            },
            batch_size=method.batch_size,
            accumulate=method.accumulate,
            clip_norm=method.clip_norm,
            l1=method.l1,
            average=method.average,
            dropout=method.dropout,
            seed=method.seed,
            threads=method.threads,
        )
        if compiled is not None:
            return compiled
    return _StepsHere(network, method)


def put(pair: Pair, network: Network) -> None:
    """Make these the network's parameters; an input's bias, which means nothing, stays as it was."""
    np.copyto(network.weight, pair[0])
    np.copyto(network.bias, pair[1], where=~network.is_input)


class _StepsHere:
    """One step after another in Python: for a loss, an optimizer or an activation of one's own, and for processes that
    train together, which add up their gradients before each step."""

    def __init__(self, network: Network, method: Method) -> None:
        self._network, self._method = network.with_own_parameters(), method
        self._parameters = flat(network, network.weight, network.bias)
        self._state = method.optimizer.init(len(self._parameters), network.dtype) or OptimizerState()
        self._average = self._parameters.copy() if method.average else None
        self.diverged, self.steps = False, 0
        self.squared_gradient: float | None = None
        """of the last step's mean gradient, before it was clipped"""

    def run(self, work: Work, place: int, n_steps: int, seconds: float, look: NativeLook | None = None) -> int:
        """As `NativeTraining.run`, without looks; processes, which have to agree after how many, take one step."""
        until = time.perf_counter() + seconds
        for _ in range(n_steps if self._method.processes is None else 1):
            place = self._take(work, place)
            if self.diverged or place == len(work.chunk.order) or time.perf_counter() >= until:
                break
        return place

    def _take(self, work: Work, place: int) -> int:
        """One step; the place reached."""
        method, network, chunk = self._method, self._network, work.chunk
        end = min(place + method.step_size, len(chunk.order))
        first, total, gradient = place, 0.0, np.zeros_like(self._parameters)
        while place < end:
            part = slice(place, min(place + method.batch_size, end))
            x, y, weight = chunk.rows(part)
            of_part = float(len(y)) if weight is None else float(weight.sum())
            if of_part:
                minibatch = self.steps * method.accumulate + (place - first) // method.batch_size
                bwd = method.backward(network, chunk, part, minibatch, mean=False)
                part_gradient = flat(network, bwd.weight_gradient, bwd.bias_gradient)
                each = bwd.loss_per_sample
                assert each is not None
                if not (np.isfinite(each).all() and np.isfinite(part_gradient).all()):
                    self.diverged = True
                    break
                gradient += part_gradient
                work.loss[part], work.output[part] = each, bwd.output
            else:  # samples of weight 0 alone teach nothing
                work.loss[part] = 0
                work.output[part] = network.forward(x, engine=method.engine, threads=method.threads).output
            total += of_part
            place = part.stop
        if method.processes is not None:
            gradient, total = self._of_all(method.processes, gradient, total)
        if self.diverged:
            return place
        if total:
            factor = 1.0 if work.rate_factor is None else float(work.rate_factor[first // method.step_size])
            mean = gradient / gradient.dtype.type(total)
            self.squared_gradient = float(np.square(mean, dtype=np.float64).sum())
            self._step(mean, None if work.rate_factor is None else factor)
        return place

    def _of_all(self, processes: Processes, gradient: FloatArray, total: float) -> tuple[FloatArray, float]:
        """Gradient and weight of the whole step; every process learns if one has diverged."""
        message = np.concatenate([gradient, np.array([total, self.diverged], gradient.dtype)])
        processes.add_up(message)
        self.diverged = bool(message[-1])
        return message[:-2], float(message[-2])

    def _step(self, gradient: FloatArray, rate_factor: float | None) -> None:
        method, optimizer = self._method, self._method.optimizer
        if method.clip_norm is not None:
            norm = float(np.linalg.norm(gradient))
            if norm > method.clip_norm:
                gradient *= method.clip_norm / norm
        if method.l1:
            n_weights = self._network.weight_ties.n_parameters
            gradient[:n_weights] += method.l1 * np.sign(self._parameters[:n_weights])
        if rate_factor is not None:
            optimizer = _at_rate(optimizer, optimizer.learning_rate * rate_factor)
        optimizer.step(self._parameters, gradient, self._state)
        self.steps += 1
        if self._average is not None:
            kept = min(method.average, (1 + self.steps) / (10 + self.steps))
            self._average *= kept
            self._average += (1 - kept) * self._parameters
        put(spread(self._network, self._parameters), self._network)

    @property
    def n_arrays(self) -> int:
        return 1 + len(self._state.moments) + (self._average is not None)

    def array(self, which: int) -> Pair:
        average = [] if self._average is None else [self._average]
        return spread(self._network, [self._parameters, *self._state.moments, *average][which])

    def put(self, which: int, network: Network) -> None:
        put(self.array(which), network)

    def go_on(self, steps: int, arrays: list[Pair]) -> None:
        self.steps = self._state.step = steps
        parameters, *moments = (flat(self._network, *pair) for pair in arrays)
        if self._average is not None:
            self._average = moments.pop()
        self._parameters, self._state.moments = parameters, moments
        put(arrays[0], self._network)


def flat(network: Network, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Every parameter once: a tied weight or bias is that of the first of its tie, and an input has no bias."""
    return np.concatenate([network.weight_ties.once(weight), bias[_with_bias(network)]])


def spread(network: Network, parameters: FloatArray) -> Pair:
    """The way back: (E,) weights and (N,) biases, those of inputs 0."""
    n_weights = network.weight_ties.n_parameters
    bias = np.zeros(network.n_nodes, parameters.dtype)
    bias[_with_bias(network)] = parameters[n_weights:]
    tied = network.bias_ties
    weight = network.weight_ties.spread(parameters[:n_weights])
    return weight if network.tie is not None else weight.copy(), tied.spread(tied.once(bias))


def _with_bias(network: Network) -> IntArray:
    """The nodes whose biases are parameters: those that are not inputs, of tied ones the first."""
    first = network.bias_ties.first
    return first[~network.is_input[first]]


def _at_rate(optimizer: Optimizer, learning_rate: float) -> Optimizer:
    try:
        return replace(optimizer, learning_rate=learning_rate)  # type: ignore[type-var]
    except TypeError:
        raise DataError(
            f"a schedule needs an optimizer whose learning_rate can be replaced: a dataclass, which "
            f"{type(optimizer).__name__} is not"
        ) from None
