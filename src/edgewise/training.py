"""Training: `fit`, which checks what it is asked for and has one run of it made; see `edgewise.run`."""

import math
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgewise import batches, losses
from edgewise.batches import Source, Stream, Target
from edgewise.checkpoints import Checkpoint
from edgewise.engine import check_threads
from edgewise.errors import DataError
from edgewise.history import EpochRecord, History
from edgewise.network import Network
from edgewise.optimizers import Adam, Optimizer, OptimizerState, check_number
from edgewise.places import Places
from edgewise.processes import Processes
from edgewise.progress import display
from edgewise.run import Callback, Run
from edgewise.schedules import Schedule
from edgewise.sparse import Change
from edgewise.steps import Method


def fit(
    net: Network,
    x: Any,
    y: ArrayLike | None = None,
    *,
    loss: str | losses.Loss | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    accumulate: int = 1,
    validation: tuple[Any, ArrayLike] | float | Stream | None = None,
    patience: int | None = None,
    tolerance: float = 0.0,
    clip_norm: float | None = None,
    l1: float = 0.0,
    average: float | None = None,
    dropout: float = 0.0,
    sparse: Change | None = None,
    places: Places | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: losses.ClassWeight | None = None,
    shuffle: bool = True,
    seed: int = 0,
    state: OptimizerState | None = None,
    checkpoint: Checkpoint | str | PathLike[str] | None = None,
    resume: str | PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    on_epoch: Sequence[Callable[[EpochRecord], Any]] = (),
    progress: bool = True,
    engine: str | None = None,
    threads: int | None = None,
    processes: Processes | None = None,
) -> History:
    """Train the weights and biases of `net` in place; the same seed gives the same bits.

    With `sparse` its arcs change, so a network of its own is trained, `history.network`, and `net` stays as it is.

    Parameters
    ----------
    x, y : x (B, n_inputs) as an array, a frame of numbers, a memory-mapped array or a SciPy sparse matrix, of which a
        piece at a time becomes dense; y is what `loss` needs, see `edgewise.losses`. Or, without y, x is a stream of
        chunks (x, y) or (x, y, sample_weight): an iterable that can be gone through once for each epoch, or a
        `edgewise.batches.Stream`.
    loss : a name or an `edgewise.Loss`. None: "cross_entropy" if y holds whole numbers, one per sample, and there
        are several outputs; else "squared_error".
    optimizer : None is Adam(1e-3).
    schedule : how the learning rate changes: StepDecay, Cosine, ReduceOnPlateau, or one of your own (see
        `edgewise.schedules.Schedule`); None leaves it as it is. In a stream of unknown length it changes by the epoch.
    batch_size, accumulate : samples of a minibatch, and how many of these make one step: the gradient is that of all
        their samples, the memory that of one minibatch.
    validation : (x, y) to measure on after every epoch, the share of the samples to hold out for it, or a stream.
    patience : stop when the validation loss has not fallen for so many epochs, and restore the best parameters. Without
        validation it is the training loss, and the last parameters stay.
    tolerance : by how much an epoch's loss must lie below the lowest before it, to count as fallen.
    clip_norm : scale the gradient of all parameters together down to this Euclidean norm (Pascanu et al. 2013).
    l1 : adds l1·sign(w) to the (clipped) gradient of each weight: a pull to 0 that gets there (Tibshirani 1996).
    average : keep a moving average of the parameters, of which each step leaves this share, such as 0.999; it is what
        validation measures and what the network has in the end (Polyak & Juditsky 1992). While few steps t are taken
        the share is (1+t)/(10+t).
    dropout : the probability with which each hidden node is left out of each sample's passes; see `edgewise.dropout`.
        The loss and metric of training are with nodes left out, validation is not.
    sparse, places : how the arcs change, such as `edgewise.sparse.RigL()`, and where they may go; None is
        `sparse.Places.of(net)`. What the optimizer remembers follows the arcs.
    sample_weight, class_weight : as in `Network.backprop`.
    seed : decides the order of the samples and which are held out.
    state : what the optimizer remembers from an earlier call, to go on from; left as it is when training ends. An empty
        `OptimizerState()` is a beginning.
    checkpoint : a path, or a `Checkpoint`, where all that is needed to go on is saved now and then, and in the end.
    resume : a checkpoint's path, to go on from there as if training had never stopped, to the last bit. What decides
        the steps must be as it was; only `patience` and `tolerance` may differ, and `epochs` where neither a schedule
        nor a change of arcs goes by them. It is saved to as before, unless `checkpoint` says otherwise.
    callbacks : each is called with a `StepRecord` after every step, or after every so many, from the first on, if it
        has an attribute `every`; one that returns True ends training. See `edgewise.Watch`.
    on_epoch : each is called with an `EpochRecord` after every epoch; one that returns True ends training.
    processes : those that train together, from `edgewise.processes.join`, each called with the same arguments. Each
        goes through its share of every minibatch, and the steps are those that one process would take. The first alone
        saves. Callbacks are called in every process, with the record that one process alone would have; one that
        returns True in any of them ends training in all. Of a stream that can be shared, such as a `TableStream`, each
        reads its share (see `edgewise.batches.ShareableStream`); of another, all.
    progress : show a bar if rich is installed and stderr is a terminal.

    Raises DataError for data that do not fit, and when the loss is no longer finite: the message says at which epoch
    and step, and where in the network; the parameters are then those at the end of the last finite epoch.
    An interrupt (Ctrl-C) leaves the parameters as after the last whole step, and saves them if there is a checkpoint.
    """
    check_settings(epochs, batch_size, accumulate, patience, clip_norm, validation)
    check_threads(threads)
    check_number("tolerance", tolerance, 0)
    check_number("seed", seed, 0, whole=True)
    check_number("l1", l1, 0)
    check_number("dropout", dropout, 0, 1)
    if average is not None:
        check_number("average", average, 0, 1)
        if state is not None:
            raise DataError("an average goes on in a checkpoint, not in a state: give one or the other")
    used = losses.get(default_loss(net, y) if loss is None else loss)
    target = Target(net, used, class_weight)
    source = batches.read(target, x, y, sample_weight)
    held_out: Source | None = None
    if isinstance(validation, tuple):
        held_out = batches.read(target, *validation, None)
    elif isinstance(validation, int | float):
        source, held_out = batches.split(source, validation, seed)
    elif validation is not None:
        held_out = batches.read(target, validation, None, None)
    batch_size = int(batch_size)
    if processes is not None:
        if batch_size % processes.size:
            raise DataError(
                f"{processes.size} processes cannot share minibatches of {batch_size} samples evenly; choose a "
                f"batch_size that {processes.size} divides"
            )
        batch_size //= processes.size
        source = batches.share(source, processes.rank, processes.size, processes.of_each)
        held_out = None if held_out is None else batches.share_measured(held_out, processes.rank, processes.size)
        threads = processes.threads if threads is None else threads
    if source.n_samples is not None:
        batch_size = min(batch_size, source.n_samples)
    run = Run(
        net,
        source,
        held_out,
        Method(
            used,
            Adam() if optimizer is None else optimizer,
            batch_size,
            int(accumulate),
            clip_norm,
            float(l1),
            0.0 if average is None else float(average),
            float(dropout),
            seed,
            engine,
            threads,
            processes,
        ),
        schedule,
        sparse,
        Places.of(net) if sparse is not None and places is None else places,
        int(epochs),
        patience,
        tolerance,
        seed if shuffle else None,
        callbacks,
        on_epoch,
    )
    if checkpoint is None and resume is not None:
        checkpoint = resume
    saved = checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if state is not None:
        run.go_on(state)
    if resume is not None:
        run.restore(resume)
    run.check_alike(saved)
    with display(progress, run.epochs) as shown:
        run.train(saved, shown)
    if state is not None:
        run.leave(state)
    return run.history


def check_settings(
    epochs: int, batch_size: int, accumulate: int, patience: int | None, clip_norm: float | None, validation: Any
) -> None:
    counts = {"epochs": epochs, "batch_size": batch_size, "accumulate": accumulate, "patience": patience}
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise DataError(f"{name} must be a whole number ≥ 1, not {value!r}")
    if clip_norm is not None and not (isinstance(clip_norm, int | float) and 0 < clip_norm < math.inf):
        raise DataError(f"clip_norm must be a number > 0, not {clip_norm!r}")
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise DataError(f"validation must be a pair (x, y) or a share, not {len(validation)} things")
    elif isinstance(validation, int | float) and not 0 < validation < 1:
        raise DataError(f"validation must be a pair (x, y), a share between 0 and 1, or a stream, not {validation!r}")


def default_loss(net: Network, y: ArrayLike | None) -> str:
    if y is None:
        raise DataError('a stream needs its loss to be named, such as loss="cross_entropy"')
    array = np.asarray(y)
    return "cross_entropy" if array.ndim == 1 and array.dtype.kind in "iu" and net.n_outputs > 1 else "squared_error"
