"""Training: one loop over minibatches, a gradient and a step each."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import losses, samples
from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.history import History, StepRecord
from edgewise.network import Network
from edgewise.optimizers import Adam, Optimizer

Callback = Callable[[StepRecord], Any]


def fit(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | losses.Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    validation: tuple[ArrayLike, ArrayLike] | float | None = None,
    patience: int | None = None,
    clip_norm: float | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: losses.ClassWeight | None = None,
    shuffle: bool = True,
    seed: int = 0,
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
    validation : (x, y) to measure on after every epoch, or the share of the samples to hold out for it.
    patience : stop when the validation loss has not fallen for so many epochs, and restore the best parameters.
    clip_norm : scale the gradient of all parameters together down to this Euclidean norm (Pascanu et al. 2013).
    sample_weight, class_weight : as in `Network.backprop`.
    seed : decides the order of the samples and which are held out.
    callbacks : each is called with a `StepRecord` after every step; one that returns True ends training.
    progress : show a bar if rich is installed and stderr is a terminal.

    Raises DataError for data that do not fit, and when the loss is no longer finite: the message says at which epoch
    and step, and where in the network; the parameters are then those at the end of the last finite epoch.
    An interrupt (Ctrl-C) leaves the parameters as after the last whole step.
    """
    _check_settings(epochs, batch_size, patience, clip_norm, validation)
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
    rows, held_out = np.arange(len(x_all)), None
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
    neurons = np.flatnonzero(~net.is_input)
    parameters = np.concatenate([net.weight, net.bias[neurons]])
    state = optimizer.init(len(parameters), net.dtype)
    history = History(metric_name="accuracy" if used.kind == "classification" else "r2")
    last_finite = best = parameters.copy()
    best_loss, step, stop = math.inf, 0, False

    with _bar(progress, epochs) as advance:
        for epoch in range(epochs):
            began = time.perf_counter()
            order = rng.permutation(rows) if shuffle else rows
            total, weight_total, outputs = 0.0, 0.0, []
            for first in range(0, len(order), batch_size):
                batch = order[first : first + batch_size]
                if weights is not None and not weights[batch].any():
                    continue  # samples of weight 0 alone teach nothing
                bwd = net.backprop(
                    x_all[batch],
                    y=y_all[batch],
                    loss=used,
                    sample_weight=None if weights is None else weights[batch],
                    engine=engine,
                    threads=threads,
                )
                batch_loss = bwd.loss
                gradient = np.concatenate([bwd.weight_gradient, bwd.bias_gradient[neurons]])
                if batch_loss is None or not (math.isfinite(batch_loss) and np.isfinite(gradient).all()):
                    _put(net, last_finite, neurons)
                    raise DataError(_not_finite(net, bwd, batch_loss, epoch, step))
                if clip_norm is not None:
                    norm = float(np.linalg.norm(gradient))
                    if norm > clip_norm:
                        gradient *= clip_norm / norm
                optimizer.step(parameters, gradient, state)
                _put(net, parameters, neurons)
                share = len(batch) if weights is None else float(weights[batch].sum())
                total += batch_loss * share
                weight_total += share
                outputs.append((bwd.output, y_all[batch]))
                record = StepRecord(step, epoch, batch_loss, net, bwd)
                for callback in callbacks:  # each sees the step, also when an earlier one asks to stop
                    stop |= callback(record) is True
                step += 1
                if stop:
                    break
            if not np.isfinite(parameters).all():
                _put(net, last_finite, neurons)
                raise DataError(
                    f"training diverged in epoch {epoch}: a parameter is no longer finite; use a smaller learning "
                    "rate, or clip_norm; the network was put back to the end of the epoch before"
                )
            last_finite = parameters.copy()
            _record(history, used, epoch, total / weight_total if weight_total else math.nan, outputs)
            if held_out is not None:
                value = _validate(net, used, held_out, history, class_weight, engine, threads)
                if value < best_loss:
                    best_loss, best, history.best_epoch = value, parameters.copy(), epoch
            history.seconds.append(time.perf_counter() - began)
            advance(history)
            if patience is not None and history.best_epoch is not None and epoch - history.best_epoch >= patience:
                history.stopped_early = True
                break
            if stop:
                break
    if patience is not None and history.best_epoch is not None:
        _put(net, best, neurons)
    return history


def _check_settings(
    epochs: int, batch_size: int, patience: int | None, clip_norm: float | None, validation: Any
) -> None:
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise DataError(f"{name} must be a whole number ≥ 1, not {value!r}")
    if clip_norm is not None and not (isinstance(clip_norm, int | float) and 0 < clip_norm < math.inf):
        raise DataError(f"clip_norm must be a number > 0, not {clip_norm!r}")
    if patience is not None and validation is None:
        raise DataError("patience needs validation data, e.g. validation=0.1")
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise DataError(f"validation must be a pair (x, y) or a share, not {len(validation)} things")
    elif validation is not None and not (isinstance(validation, int | float) and 0 < validation < 1):
        raise DataError(f"validation must be a pair (x, y), or a share between 0 and 1, not {validation!r}")


def _default_loss(net: Network, y: ArrayLike) -> str:
    array = np.asarray(y)
    return "cross_entropy" if array.ndim == 1 and array.dtype.kind in "iu" and net.n_outputs > 1 else "squared_error"


def _put(net: Network, parameters: FloatArray, neurons: NDArray[np.intp]) -> None:
    net.weight[:] = parameters[: net.n_edges]
    net.bias[neurons] = parameters[net.n_edges :]


def _record(
    history: History, loss: losses.Loss, epoch: int, mean: float, outputs: list[tuple[FloatArray, NDArray[Any]]]
) -> None:
    history.epoch.append(epoch)
    history.loss.append(mean)
    together = [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
    history.metric.append(metric(loss, *together) if together else math.nan)


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
