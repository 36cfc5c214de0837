"""Training: one loop over minibatches, a gradient and a step each.

The steps are taken by the compiled core, many at a time, where it knows the loss, the optimizer and the activations;
otherwise one after another here. Callbacks see the same steps either way.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import losses, samples
from edgewise.arrays import FloatArray, shuffled
from edgewise.engine import Epoch, training
from edgewise.errors import DataError
from edgewise.history import History, StepRecord
from edgewise.network import Network
from edgewise.optimizers import SGD, Adam, AdamW, Optimizer, OptimizerState, check_number
from edgewise.results import BackwardPass
from edgewise.schedules import Schedule

Callback = Callable[[StepRecord], Any]


def fit(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | losses.Loss | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    validation: tuple[ArrayLike, ArrayLike] | float | None = None,
    patience: int | None = None,
    tolerance: float = 0.0,
    clip_norm: float | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: losses.ClassWeight | None = None,
    shuffle: bool = True,
    seed: int = 0,
    state: OptimizerState | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    engine: str | None = None,
    threads: int | None = None,
) -> History:
    """Train the weights and biases of `net` in place; the same seed gives the same bits.

    Parameters
    ----------
    x : (B, n_inputs); y : what `loss` needs, see `edgewise.losses`.
    loss : a name or an `edgewise.Loss`. None: "cross_entropy" if y holds whole numbers, one per sample, and there
        are several outputs; else "squared_error".
    optimizer : None is Adam(1e-3).
    schedule : how the learning rate changes: StepDecay, Cosine, ReduceOnPlateau, or one of your own (see
        `edgewise.schedules.Schedule`); None leaves it as it is.
    validation : (x, y) to measure on after every epoch, or the share of the samples to hold out for it.
    patience : stop when the validation loss has not fallen for so many epochs, and restore the best parameters. Without
        validation it is the training loss, and the last parameters stay.
    tolerance : by how much an epoch's loss must lie below the lowest before it, to count as fallen.
    clip_norm : scale the gradient of all parameters together down to this Euclidean norm (Pascanu et al. 2013).
    sample_weight, class_weight : as in `Network.backprop`.
    seed : decides the order of the samples and which are held out.
    state : what the optimizer remembers from an earlier call, to go on from; left as it is when training ends. An empty
        `OptimizerState()` is a beginning.
    callbacks : each is called with a `StepRecord` after every step; one that returns True ends training.
    progress : show a bar if rich is installed and stderr is a terminal.

    Raises DataError for data that do not fit, and when the loss is no longer finite: the message says at which epoch
    and step, and where in the network; the parameters are then those at the end of the last finite epoch.
    An interrupt (Ctrl-C) leaves the parameters as after the last whole step.
    """
    _check_settings(epochs, batch_size, patience, clip_norm, validation)
    check_number("tolerance", tolerance, 0)
    x_all, one_sample = samples.read(net, x)
    if one_sample:
        raise DataError(f"x has shape {np.shape(x)}; training needs samples as rows, (B, {net.n_inputs})")
    used = losses.get(_default_loss(net, y) if loss is None else loss)
    y_all = used.check(y, net.n_outputs, len(x_all))
    weights = None if sample_weight is None else samples.read_weights(sample_weight, len(x_all))
    if class_weight is not None:  # one weight per sample from here on, so that an epoch's mean counts both
        of_class = used.class_weights(class_weight, y_all, net.n_outputs)
        weights = of_class if weights is None else weights * of_class
    rng = np.random.default_rng(seed)
    rows, held_out = np.arange(len(x_all), dtype=np.int64), None
    if isinstance(validation, tuple):
        x_held, _ = samples.read(net, validation[0])
        held_out = x_held, used.check(validation[1], net.n_outputs, len(x_held))
    elif validation is not None:
        n_held = max(1, round(validation * len(x_all)))
        if n_held >= len(x_all):
            raise DataError(f"validation={validation} of {len(x_all)} samples leaves none to train on")
        mixed = rng.permutation(len(x_all))
        rows = np.sort(mixed[n_held:])
        held_out = x_all[mixed[:n_held]], y_all[mixed[:n_held]]

    optimizer = Adam() if optimizer is None else optimizer
    data = _Data(x_all, y_all, weights, used)
    steps = _steps(net, data, optimizer, int(batch_size), clip_norm, engine, threads)
    if state is not None:
        _go_on(net, steps, state)
    history = History(metric_name="accuracy" if used.kind == "classification" else "r2")
    last_finite = best = _parameters(net)
    lowest, fell, stop = math.inf, None, False

    with _bar(progress, epochs) as advance:
        for epoch in range(epochs):
            began = time.perf_counter()
            order = shuffled(rows, rng) if shuffle else rows
            rate_factor = (
                None if schedule is None else _rate_factor(schedule, epoch, epochs, order, batch_size, history)
            )
            output, loss_each = np.empty((len(order), net.n_outputs), net.dtype), np.empty(len(order), net.dtype)
            work = Epoch(order, rate_factor, output, loss_each)
            place = 0
            try:
                while place < len(order) and not stop:
                    if not callbacks:
                        place = steps.run(work, place, len(order), SECONDS_AT_ONCE)
                    else:
                        before, step = net.with_own_parameters(), steps.steps
                        first, place = (
                            place,
                            steps.run(work, place, 1, SECONDS_AT_ONCE),
                        )
                        if steps.steps > step:  # samples of weight 0 alone make no step
                            steps.put(net)
                            batch = order[first:place]
                            loss_now = data.mean_loss(batch, loss_each[first:place])
                            record = StepRecord(
                                step, epoch, loss_now, net, data.backward_of(before, batch, engine, threads)
                            )
                            for callback in callbacks:  # each sees the step, also when an earlier one asks to stop
                                stop |= callback(record) is True
                    if steps.diverged:
                        break
            finally:
                steps.put(net)
            if steps.diverged:
                batch = order[place : place + batch_size]
                bwd = data.backward_of(net, batch, engine, threads)()
                message = _not_finite(net, bwd, bwd.loss, epoch, steps.steps)
                _put(net, last_finite)
                raise DataError(message)
            if not (np.isfinite(net.weight).all() and np.isfinite(net.bias).all()):
                _put(net, last_finite)
                raise DataError(
                    f"training diverged in epoch {epoch}: a parameter is no longer finite; use a smaller learning "
                    "rate, or clip_norm; the network was put back to the end of the epoch before"
                )
            last_finite = _parameters(net)
            history.epoch.append(epoch)
            if rate_factor is not None:
                history.learning_rate.append(optimizer.learning_rate * float(rate_factor[-1]))
            history.loss.append(data.mean_loss(order[:place], loss_each[:place]))
            history.metric.append(metric(used, output[:place], y_all[order[:place]]))
            watched = history.loss[-1]
            if held_out is not None:
                watched = _validate(net, used, held_out, history, class_weight, engine, threads)
            if watched < lowest - tolerance:
                fell = epoch
            if watched < lowest:
                lowest = watched
                if held_out is not None:
                    best, history.best_epoch = last_finite, epoch
            history.seconds.append(time.perf_counter() - began)
            advance(history)
            if patience is not None and fell is not None and epoch - fell >= patience:
                history.stopped_early = True
                break
            if stop:
                break
    if patience is not None and history.best_epoch is not None:
        _put(net, best)
    if state is not None:
        state.step = steps.steps
        state.moments = [_flat(net, *moment) for moment in steps.moments()]
    return history


SECONDS_AT_ONCE = 0.1
"""About how long the core may work before Python sees to interrupts."""


@dataclass(frozen=True, slots=True)
class _Data:
    """The training samples."""

    x: FloatArray
    y: NDArray[Any]
    weight: FloatArray | None
    loss: losses.Loss

    def mean_loss(self, batch: NDArray[np.int64], loss: FloatArray) -> float:
        """Of samples whose losses (times their weights) are given; NaN if they weigh nothing."""
        weight = float(len(batch)) if self.weight is None else float(self.weight[batch].sum())
        return float(loss.sum(dtype=np.float64)) / weight if weight else math.nan

    def backward_of(
        self, net: Network, batch: NDArray[np.int64], engine: str | None, threads: int | None
    ) -> Callable[[], BackwardPass]:
        return lambda: net.backprop(
            self.x[batch],
            y=self.y[batch],
            loss=self.loss,
            sample_weight=None if self.weight is None else self.weight[batch],
            engine=engine,
            threads=threads,
        )


class _Steps(Protocol):
    """Who takes the steps; see `edgewise.engine.native.NativeTraining`."""

    @property
    def diverged(self) -> bool: ...
    @property
    def steps(self) -> int: ...
    def run(self, epoch: Epoch, place: int, n_steps: int, seconds: float) -> int: ...
    def put(self, network: Network) -> None: ...
    def moments(self) -> list[tuple[FloatArray, FloatArray]]: ...
    def go_on(self, steps: int, moments: list[tuple[FloatArray, FloatArray]]) -> None: ...


def _steps(
    net: Network,
    data: _Data,
    optimizer: Optimizer,
    batch_size: int,
    clip_norm: float | None,
    engine_name: str | None,
    threads: int | None,
) -> _Steps:
    if data.loss.compiled is not None and type(optimizer) in (SGD, Adam, AdamW):
        compiled = training(
            engine_name,
            net,
            loss=data.loss,
            optimizer={
                "kind": type(optimizer).__name__.lower(),
                **{f.name: getattr(optimizer, f.name) for f in fields(optimizer)},  # type: ignore[arg-type]
            },
            batch_size=min(batch_size, len(data.x)),
            clip_norm=clip_norm,
            x=data.x,
            y=data.y,
            sample_weight=data.weight,
            threads=threads,
        )
        if compiled is not None:
            return compiled
    return _StepsHere(net, data, optimizer, batch_size, clip_norm, engine_name, threads)


class _StepsHere:
    """One step after another in Python: for a loss, an optimizer or an activation of one's own."""

    def __init__(
        self,
        net: Network,
        data: _Data,
        optimizer: Optimizer,
        batch_size: int,
        clip_norm: float | None,
        engine_name: str | None,
        threads: int | None,
    ) -> None:
        self._net, self._data, self._optimizer, self._batch_size = net, data, optimizer, batch_size
        self._clip_norm, self._engine, self._threads = clip_norm, engine_name, threads
        self._parameters = _flat(net, net.weight, net.bias)
        self._state = optimizer.init(len(self._parameters), net.dtype)
        self.diverged, self.steps = False, 0

    def run(self, epoch: Epoch, place: int, n_steps: int, seconds: float) -> int:
        batch = epoch.order[place : place + self._batch_size]
        there = slice(place, place + len(batch))
        weight = None if self._data.weight is None else self._data.weight[batch]
        if weight is not None and not weight.any():  # samples of weight 0 alone teach nothing
            epoch.loss[there] = 0
            epoch.output[there] = self._net.forward(
                self._data.x[batch], engine=self._engine, threads=self._threads
            ).output
            return there.stop
        bwd = self._data.backward_of(self._net, batch, self._engine, self._threads)()
        gradient = _flat(self._net, bwd.weight_gradient, bwd.bias_gradient)
        each = bwd.loss_per_sample
        assert each is not None
        if not (np.isfinite(each).all() and np.isfinite(gradient).all()):
            self.diverged = True
            return place
        epoch.loss[there], epoch.output[there] = each, bwd.output
        if self._clip_norm is not None:
            norm = float(np.linalg.norm(gradient))
            if norm > self._clip_norm:
                gradient *= self._clip_norm / norm
        optimizer = self._optimizer
        if epoch.rate_factor is not None:
            optimizer = _at_rate(
                optimizer, optimizer.learning_rate * float(epoch.rate_factor[place // self._batch_size])
            )
        optimizer.step(self._parameters, gradient, self._state)
        self.steps += 1
        self.put(self._net)
        return there.stop

    def put(self, network: Network) -> None:
        weight, bias = _spread(network, self._parameters)
        network.weight[:], network.bias[~network.is_input] = weight, bias[~network.is_input]

    def moments(self) -> list[tuple[FloatArray, FloatArray]]:
        return [_spread(self._net, moment) for moment in self._state.moments]

    def go_on(self, steps: int, moments: list[tuple[FloatArray, FloatArray]]) -> None:
        self.steps = self._state.step = steps
        self._state.moments = [_flat(self._net, *moment) for moment in moments]


def _flat(net: Network, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Every parameter once: a tied weight is that of the first of its edges, and an input has no bias."""
    if net.tie is not None:
        weight = weight[net.tie_groups[1][net.tie_groups[0][:-1]]]
    return np.concatenate([weight, bias[~net.is_input]])


def _spread(net: Network, flat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The way back: (E,) weights and (N,) biases, those of inputs 0."""
    n_weights = len(flat) - int((~net.is_input).sum())
    bias = np.zeros(net.n_nodes, flat.dtype)
    bias[~net.is_input] = flat[n_weights:]
    return flat[:n_weights] if net.tie is None else flat[:n_weights][net.tie], bias


def _go_on(net: Network, steps: _Steps, state: OptimizerState) -> None:
    if not state.step and not state.moments:
        return
    wanted = [_flat(net, *moment) for moment in steps.moments()]
    if [np.shape(moment) for moment in state.moments] != [moment.shape for moment in wanted]:
        raise DataError(
            f"state holds moments of shape {[np.shape(moment) for moment in state.moments]}; this optimizer has "
            f"{[moment.shape for moment in wanted]} on this network"
        )
    given = [np.array(moment, net.dtype) for moment in state.moments]
    if not all(np.isfinite(moment).all() for moment in given):
        raise DataError("state holds a number that is not finite")
    steps.go_on(state.step, [_spread(net, moment) for moment in given])


def _rate_factor(
    schedule: Schedule, epoch: int, epochs: int, order: NDArray[np.int64], batch_size: int, history: History
) -> NDArray[np.float64]:
    """The schedule's factor for each of the epoch's minibatches."""
    n_steps = -(-len(order) // batch_size)
    factor = np.asarray(schedule.factors(epoch + (np.arange(n_steps) + 0.5) / n_steps, epochs, history), np.float64)
    if factor.shape != (n_steps,) or not (np.isfinite(factor) & (factor >= 0)).all():
        raise DataError(
            f"{type(schedule).__name__}.factors gave {factor} in epoch {epoch}; it must give {n_steps} finite numbers "
            "≥ 0, one for each step"
        )
    return np.ascontiguousarray(factor)


def _at_rate(optimizer: Optimizer, learning_rate: float) -> Optimizer:
    try:
        return replace(optimizer, learning_rate=learning_rate)  # type: ignore[type-var]
    except TypeError:
        raise DataError(
            f"a schedule needs an optimizer whose learning_rate can be replaced: a dataclass, which "
            f"{type(optimizer).__name__} is not"
        ) from None


def _parameters(net: Network) -> tuple[FloatArray, FloatArray]:
    return net.weight.copy(), net.bias.copy()


def _put(net: Network, parameters: tuple[FloatArray, FloatArray]) -> None:
    net.weight[:], net.bias[:] = parameters


def _check_settings(
    epochs: int, batch_size: int, patience: int | None, clip_norm: float | None, validation: Any
) -> None:
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise DataError(f"{name} must be a whole number ≥ 1, not {value!r}")
    if clip_norm is not None and not (isinstance(clip_norm, int | float) and 0 < clip_norm < math.inf):
        raise DataError(f"clip_norm must be a number > 0, not {clip_norm!r}")
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise DataError(f"validation must be a pair (x, y) or a share, not {len(validation)} things")
    elif validation is not None and not (isinstance(validation, int | float) and 0 < validation < 1):
        raise DataError(f"validation must be a pair (x, y), or a share between 0 and 1, not {validation!r}")


def _default_loss(net: Network, y: ArrayLike) -> str:
    array = np.asarray(y)
    return "cross_entropy" if array.ndim == 1 and array.dtype.kind in "iu" and net.n_outputs > 1 else "squared_error"


def _validate(
    net: Network,
    loss: losses.Loss,
    held_out: tuple[FloatArray, NDArray[Any]],
    history: History,
    class_weight: losses.ClassWeight | None,
    engine: str | None,
    threads: int | None,
) -> float:
    x, y = held_out
    output = net.forward(x, engine=engine, threads=threads).output
    per_sample = loss.value(output, y)
    weight = np.ones(len(y)) if class_weight is None else loss.class_weights(class_weight, y, net.n_outputs)
    total = float(weight.sum())
    value = float((per_sample * weight).sum()) / total if total else math.nan
    history.validation_loss.append(value)
    history.validation_metric.append(metric(loss, output, y))
    return value


def metric(loss: losses.Loss, output: FloatArray, y: NDArray[Any]) -> float:
    """Accuracy of (B, K) outputs for a classification; R² over all outputs together for a regression.

    y is as `Loss.check` returns it. R² is NaN where y does not vary.
    """
    if loss.labels == "index":
        return float((output.argmax(axis=1) == y).mean())
    if loss.labels == "binary":
        return float(((output > 0) == (y > 0.5)).mean())
    if loss.labels == "sign":
        return float(((output > 0) == (y > 0)).mean())
    spread = float(((y - y.mean(axis=0)) ** 2).sum())
    return 1 - float(((output - y) ** 2).sum()) / spread if spread > 0 else math.nan


def _not_finite(net: Network, bwd: Any, loss: float | None, epoch: int, step: int) -> str:
    """What went wrong, and at the first node, in forward order, where it shows."""
    where = "in the gradients"
    bad = ~np.isfinite(bwd.value)
    if bad.any():
        by_order = bad[:, net.plan.order]
        position = int(np.argmax(by_order.any(axis=0)))
        node = int(net.plan.order[position])
        where = f"first at node {net.label(node)}, in sample {int(np.argmax(bad[:, node]))} of the minibatch"
    what = f"the loss is {loss}" if loss is None or not math.isfinite(loss) else "a gradient is not finite"
    return (
        f"training diverged in epoch {epoch}, step {step}: {what}, {where}; use a smaller learning rate, standardised "
        "inputs or clip_norm. The network was put back to the end of the last finite epoch"
    )


@contextmanager
def _bar(progress: bool, epochs: int) -> Iterator[Callable[[History], None]]:
    """A progress bar on a terminal; yields what to call after every epoch."""
    columns: Any = None
    if progress and sys.stderr.isatty():
        try:
            from rich import progress as columns
            from rich.console import Console
        except ImportError:
            columns = None
    if columns is None:
        yield lambda history: None
        return
    with columns.Progress(
        columns.TextColumn("epoch {task.completed}/{task.total}"),
        columns.BarColumn(),
        columns.TextColumn("{task.description}"),
        columns.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=epochs)

        def advance(history: History) -> None:
            shown = f"loss {history.loss[-1]:.4f}"
            if history.validation_loss:
                shown += f", validation {history.validation_loss[-1]:.4f} ({history.validation_metric[-1]:.3f})"
            bar.update(task, advance=1, description=shown)

        yield advance
