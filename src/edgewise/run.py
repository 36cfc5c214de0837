"""One run of training: one loop over steps, a gradient and a change of the parameters each.

The steps are taken by the compiled core, many at a time, where it knows the loss, the optimizer and the activations;
otherwise one after another in Python: see `edgewise.steps`. Callbacks see the same steps either way.
"""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cached_property
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgewise import batches, checkpoints, metrics, steps
from edgewise.arrays import FloatArray, all_finite, checksum
from edgewise.batches import Chunk, Source
from edgewise.checkpoints import Checkpoint
from edgewise.engine import NativeLook, NativeTraining, Work
from edgewise.errors import DataError, FormatError
from edgewise.history import EpochRecord, History, Samples, StepRecord
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.optimizers import OptimizerState
from edgewise.places import Places
from edgewise.processes import Meetings, Processes
from edgewise.progress import Display
from edgewise.results import BackwardPass
from edgewise.schedules import Schedule
from edgewise.sparse import Change
from edgewise.steps import Method, Steps

Callback = Callable[[StepRecord], Any]
"""What has an attribute `every` is called after every so many steps, from the first on, else after each."""


@runtime_checkable
class Looker(Protocol):
    """A callback that, where the core takes the steps, has the core look at them rather than be called."""

    every: int

    def __call__(self, record: StepRecord) -> Any: ...

    def room(self, width: int) -> int:
        """For how many looks there is room, each so many numbers wide."""

    def look(self, network: Network, step_size: int, threads: int | None) -> NativeLook | None:
        """What looks every so many steps of this network, of at most so many samples; None if the core cannot."""

    def looked(
        self, rows: FloatArray, epoch: int, network: Network, loss: Loss, samples: Callable[..., Samples]
    ) -> None:
        """What it saw, a row for each look; the network, not a copy, to which the parameters come when training ends or
        somebody is called; and samples(place, n)."""


SECONDS_AT_ONCE = 0.1
"""About how long the core may work before Python sees to interrupts."""
INPUTS_WATCHED = 256
"""Samples over which open gates are counted."""


class Run:
    """One run of training: where it stands, and how it goes on."""

    def __init__(
        self,
        net: Network,
        source: Source,
        held_out: Source | None,
        method: Method,
        schedule: Schedule | None,
        change: Change | None,
        places: Places | None,
        epochs: int,
        patience: int | None,
        tolerance: float,
        seed: int | None,
        callbacks: Sequence[Callback],
        on_epoch: Sequence[Callable[[EpochRecord], Any]],
    ) -> None:
        if change is not None:
            assert places is not None
            places.check(net)
            net = net.with_own_parameters()
        self.net, self.source, self.held_out, self.method = net, source, held_out, method
        self.change, self.places = change, places
        self.schedule, self.epochs, self.patience, self.tolerance = schedule, epochs, patience, tolerance
        self.seed, self.callbacks, self.on_epoch = seed, callbacks, on_epoch
        self.history = History(metric_name=metrics.name_of(method.loss), network=net)
        self.steps = steps.begin(net, method)
        self.looker = next((each for each in callbacks if isinstance(each, Looker)), None)
        self.look: NativeLook | None = None
        self.looked_with: tuple[Steps, int] | None = None
        self.processes = method.processes
        self.meetings = None if method.processes is None else Meetings(method.processes)
        self.epoch = self.chunk = self.place = 0
        self.seen = 0
        """Samples of this epoch in the chunks before."""
        self.tally = metrics.Tally(method.loss)
        self.lowest = math.inf
        self.fell: int | None = None
        self.last_finite = self.best = net.with_own_parameters()
        self.inputs: FloatArray = np.empty((0, net.n_inputs), net.dtype)
        self.last_factor = 1.0
        self.stop = self.put_back = self.resumed = False
        self.together = False
        """Whether all processes have agreed to break off after the same step."""
        self.began, self.saved_at = time.perf_counter(), time.monotonic()
        self.given = net

    # ---- the loop ----

    def train(self, saved: Checkpoint | None, shown: Display) -> None:
        if saved is not None and not self.resumed:
            self._save(saved, first=True)
        finished = self.history.stopped_early
        with _interrupts_wait() as interrupted:
            try:
                while self.epoch < self.epochs and not self.stop and not finished:
                    self.began = time.perf_counter()
                    for work in self._works():
                        self._go_through(work, saved, shown, interrupted)
                    finished = self._end_epoch(shown)
            except KeyboardInterrupt:
                self._put()
                if saved is not None and (self.processes is None or self.together):
                    self._save(saved)
                raise
            except BaseException:
                if not self.put_back:
                    self._put()
                raise
        if saved is not None:
            self._save(saved)
        if self.patience is not None and self.history.best_epoch is not None:
            self._become(self.best)

    def _works(self) -> Iterator[Work]:
        """What is left of the epoch, a chunk at a time."""
        self.seen = 0
        for number, chunk in enumerate(self.source.chunks(self.epoch, self.method.step_size, self.seed)):
            if not len(self.inputs):
                self.inputs = chunk.x[:INPUTS_WATCHED].copy()  # not to hold on to the chunk
            if self.processes is not None:
                self._check_chunk(self.processes, chunk)
            if number < self.chunk:
                self.seen += len(chunk.order)
                continue
            n = len(chunk.order)
            factor = self._rate_factor(n)
            if factor is not None:
                self.last_factor = float(factor[-1])
            yield Work(chunk, factor, np.empty((n, self.net.n_outputs), self.net.dtype), np.empty(n, self.net.dtype))
            if self.stop:
                return
            self.chunk, self.place, self.seen = self.chunk + 1, 0, self.seen + n
        if self.processes is not None:
            self._check_chunk(self.processes, None)

    def _check_chunk(self, processes: Processes, chunk: Chunk | None) -> None:
        """EdgewiseError if the processes go through different samples, or some have no more of them (None)."""
        number = 0
        if chunk is not None:
            assert chunk.together is not None
            parts = [np.array([len(chunk.order)])]
            if not chunk.apart:  # else each has samples of its own, and the stream's own checksum has to do
                first = chunk.together(slice(0, 1))
                parts += [first.x, first.y]
            number = checksum(*parts)
        processes.check_alike(number, "the samples of an epoch")

    def _go_through(self, work: Work, saved: Checkpoint | None, shown: Display, interrupted: threading.Event) -> None:
        chunk, method = work.chunk, self.method
        while self.place < len(chunk.order) and not self.stop:
            first, before = self.place, self.steps.steps
            look = self._ready()
            called = [each for each in self.callbacks if look is None or each is not self.looker]
            due = [callback for callback in called if before % _every(callback) == 0]
            if due:
                self._put()  # steps that nobody was called after may lie between
            earlier = self.net.with_own_parameters() if due else None
            n_steps = 1 if due else self._steps_at_once(called, saved)
            reached = self.steps.run(work, first, n_steps, SECONDS_AT_ONCE, look)
            done = slice(first, reached)
            self._hand_over(chunk)
            if self.steps.diverged:
                self._diverged(chunk, reached)
            counted = slice(first, min(reached, len(chunk.order) - chunk.padding))
            self.tally.add(work.loss[counted], work.output[counted], chunk, counted, method.step_size)
            self.place = reached
            if earlier is not None and self.steps.steps > before:  # samples of weight 0 alone make no step
                self._call_back(due, chunk, done, before, earlier, work.loss[done])
            if self.change is not None and self.steps.steps > before and self.steps.steps % self.change.every == 0:
                self._rewire(self.change, chunk, done)
            stopped, in_time = interrupted.is_set(), saved is not None and self._time_to_save(saved)
            if self.meetings is not None:
                stopped, in_time = self.meetings.any(self.steps.steps, stopped, in_time)
                self.together = stopped
            if stopped:
                raise KeyboardInterrupt
            if saved is not None and (in_time or self._save_is_due(saved, before)):
                self._save(saved)
            if self.source.n_samples:
                shown.moved(self.epoch + (self.seen + reached) / self.source.n_samples)

    def _steps_at_once(self, called: Sequence[Callback], saved: Checkpoint | None) -> int:
        """As many as may be taken before somebody wants to see the state."""
        wanted = [_every(callback) for callback in called]
        if self.change is not None:
            wanted.append(self.change.every)
        if saved is not None and saved.steps is not None:
            wanted.append(saved.steps)
        return min((each - self.steps.steps % each for each in wanted), default=2**31)

    def _ready(self) -> NativeLook | None:
        """What looks from within the core, for the steps to come; None if nothing does."""
        if self.looker is None:
            return None
        if self.looked_with != (self.steps, self.looker.every):
            within = isinstance(self.steps, NativeTraining)
            self.looked_with = self.steps, self.looker.every
            self.look = self.looker.look(self.net, self.method.step_size, self.method.threads) if within else None
        if self.look is not None:
            self.look.room(self.looker.room(self.look.core.row_size))
        return self.look

    def _hand_over(self, chunk: Chunk) -> None:
        """What was seen of the last steps."""
        if self.look is None or not self.look.taken:
            return
        assert self.looker is not None
        self.looker.looked(
            self.look.rows[: self.look.taken],
            self.epoch,
            self.net,
            self.method.loss,
            lambda place, n: chunk.rows(slice(place, place + n)),
        )
        self.look.taken = 0

    def _rewire(self, change: Change, chunk: Chunk, done: slice) -> None:
        """Other arcs, as far as the change has any, and everything that belongs to an arc with it."""
        assert self.places is not None
        self._put()
        count, n = self.steps.steps, batches.whole(self.source).n_samples
        progress = (self.epoch + (self._taken() / n if n else 0)) / self.epochs
        size = self.method.step_size
        step = slice(done.start + (done.stop - done.start - 1) // size * size, done.stop)
        rng = np.random.default_rng((self.method.seed, count))

        def backward() -> BackwardPass:
            return self.method.alone.backward(self.net, *_together(chunk, step))

        rewired = change.change(self.net, self.places, progress, backward, rng)
        if self.processes is not None:
            arcs = () if rewired is None else (rewired.network.tail, rewired.network.head)
            self.processes.check_alike(
                checksum(*arcs), "the arcs", "set EDGEWISE_ISA alike on machines with different processors"
            )
        if rewired is None:
            return
        arrays = [self.steps.array(k) for k in range(self.steps.n_arrays)]
        carried = [(rewired.carry(weight), bias) for weight, bias in arrays]
        carried[0] = rewired.network.weight, arrays[0][1]
        self.net = self.history.network = rewired.network
        self.steps = steps.begin(self.net, self.method)
        self.steps.go_on(count, carried)

    def _become(self, other: Network) -> None:
        """Have its parameters, and its arcs."""
        if self.change is not None:
            self.net = self.history.network = other.with_own_parameters()
        self.net.weight[:], self.net.bias[:] = other.weight, other.bias

    def _call_back(
        self,
        due: Sequence[Callback],
        chunk: Chunk,
        done: slice,
        step: int,
        before: Network,
        loss: FloatArray,
    ) -> None:
        self._put()
        total = float(len(loss)) if chunk.weight is None else float(chunk.weight[chunk.order[done]].sum())
        counted = slice(done.start, min(done.stop, len(chunk.order) - chunk.padding))
        sums = np.array([loss.sum(dtype=np.float64), total, counted.stop - counted.start])
        if self.processes is not None:
            self.processes.add_up(sums)
        method = self.method.alone
        whole = _together(chunk, done) if chunk.apart else None  # now, since one process may ask and another not

        def first(most: int | None) -> tuple[Chunk, slice]:
            of_step, places = _together(chunk, done) if whole is None else whole
            return of_step, places if most is None else slice(places.start, min(places.stop, places.start + most))

        def samples(most: int | None) -> Samples:
            of_step, places = first(most)
            return of_step.rows(places)

        record = StepRecord(
            step,
            self.epoch,
            float(sums[0]) / float(sums[1]),
            self.net,
            before,
            self.method.loss,
            int(sums[2]),
            method.batch_size,
            self.steps.squared_gradient,
            samples,
            lambda most: method.backward(before, *first(most), step * method.accumulate),
        )
        for callback in due:  # each sees the step, also when an earlier one asks to stop
            self.stop |= callback(record) is True
        if self.processes is not None:
            self.stop = self.processes.any(self.stop)

    def _taken(self) -> int:
        """Samples of this epoch that have been taken, by all processes."""
        taken, n = self.seen + self.place, batches.whole(self.source).n_samples
        if self.processes is not None:
            taken *= self.processes.size
        return taken if n is None else min(taken, n)

    def _end_epoch(self, shown: Display) -> bool:
        """Measures, notes, and says whether to stop early."""
        net, history, number = self.net, self.history, self.epoch
        self._put(averaged=True)
        if not (all_finite(net.weight) and all_finite(net.bias)):
            self._put_back()
            raise DataError(
                f"training diverged in epoch {number}: a parameter is no longer finite; use a smaller learning rate, "
                "or clip_norm; the network was put back to the end of the epoch before"
            )
        self.last_finite = net.with_own_parameters()
        if self.processes is not None:
            self.tally = self.tally.of_all(self.processes, net.n_outputs)
        held_out = None if self.held_out is None else self._measure(self.held_out)
        seconds = time.perf_counter() - self.began
        samples = self._taken()
        self._note(held_out, seconds)
        self.epoch, self.chunk, self.place = number + 1, 0, 0
        self.tally = metrics.Tally(self.method.loss)
        record = EpochRecord(number, self.epochs, history, net, samples / seconds, self.inputs)
        shown.epoch(record)
        for listener in self.on_epoch:
            self.stop |= listener(record) is True
        if self.processes is not None:
            self.stop = self.processes.any(self.stop)
        if self.patience is not None and self.fell is not None and number - self.fell >= self.patience:
            history.stopped_early = True
        return history.stopped_early

    def _note(self, held_out: metrics.Tally | None, seconds: float) -> None:
        """The epoch in the history, and whether it is the best."""
        history = self.history
        history.epoch.append(self.epoch)
        if self.schedule is not None:
            history.learning_rate.append(self.method.optimizer.learning_rate * self.last_factor)
        history.loss.append(self.tally.loss)
        history.metric.append(self.tally.metric)
        history.seconds.append(seconds)
        if held_out is not None:
            history.validation_loss.append(held_out.loss)
            history.validation_metric.append(held_out.metric)
        watched = self.tally.loss if held_out is None else held_out.loss
        if self.change is not None and self.places is not None and not self.change.settled(self.net, self.places):
            return
        if watched < self.lowest - self.tolerance:
            self.fell = self.epoch
        if watched < self.lowest:
            self.lowest = watched
            if held_out is not None:
                self.best, history.best_epoch = self.last_finite, self.epoch

    def _measure(self, held_out: Source) -> metrics.Tally:
        tally, loss = metrics.Tally(self.method.loss), self.method.loss
        for chunk in held_out.chunks(0, self.method.step_size, None):
            counted = slice(len(chunk.order) - chunk.padding)
            x, y, weight = chunk.rows(counted)
            if not len(x):
                continue
            output = self.net.forward(x, engine=self.method.engine, threads=self.method.threads).output
            each = loss.value(output, y)
            tally.add(each if weight is None else each * weight, output, chunk, counted, len(y))
        return tally if self.processes is None else tally.of_all(self.processes, self.net.n_outputs)

    def _rate_factor(self, n_samples: int) -> NDArray[np.float64] | None:
        """The schedule's factor for each step of the next chunk."""
        if self.schedule is None:
            return None
        step_size = self.method.step_size
        n_steps = math.ceil(n_samples / step_size)
        of_epoch = batches.steps_in(self.source, step_size)
        if of_epoch is None:
            at = np.full(n_steps, self.epoch + 0.5)
        else:
            at = self.epoch + (self.seen // step_size + np.arange(n_steps) + 0.5) / of_epoch
        factor = np.asarray(self.schedule.factors(at, self.epochs, self.history), np.float64)
        if factor.shape != (n_steps,) or not (np.isfinite(factor) & (factor >= 0)).all():
            raise DataError(
                f"{type(self.schedule).__name__}.factors gave {factor} in epoch {self.epoch}; it must give {n_steps} "
                "finite numbers ≥ 0, one for each step"
            )
        return np.ascontiguousarray(factor)

    def _put(self, *, averaged: bool = False) -> None:
        """Bring the parameters, or their average where one is kept, to the network."""
        last = averaged and self.method.average > 0
        self.steps.put(self.steps.n_arrays - 1 if last else 0, self.net)

    def _diverged(self, chunk: Chunk, place: int) -> None:
        self._put()
        part = place // self.method.batch_size % self.method.accumulate
        minibatch = self.steps.steps * self.method.accumulate + part
        bwd = self.method.backward(self.net, chunk, slice(place, place + self.method.batch_size), minibatch)
        message = _not_finite(self.net, bwd, self.epoch, self.steps.steps)
        self._put_back()
        raise DataError(message)

    def _put_back(self) -> None:
        """To the end of the last epoch in which all was finite."""
        self._become(self.last_finite)
        self.put_back = True

    # ---- an optimizer's state, from call to call ----

    def go_on(self, state: OptimizerState) -> None:
        if not state.step and not state.moments:
            return
        wanted = [steps.flat(self.net, *self.steps.array(k)) for k in range(1, self.steps.n_arrays)]
        if [np.shape(moment) for moment in state.moments] != [moment.shape for moment in wanted]:
            raise DataError(
                f"state holds moments of shape {[np.shape(moment) for moment in state.moments]}; this optimizer has "
                f"{[moment.shape for moment in wanted]} on this network"
            )
        given = [np.array(moment, self.net.dtype) for moment in state.moments]
        if not all(np.isfinite(moment).all() for moment in given):
            raise DataError("state holds a number that is not finite")
        moments = [steps.spread(self.net, moment) for moment in given]
        self.steps.go_on(state.step, [self.steps.array(0), *moments])

    def leave(self, state: OptimizerState) -> None:
        state.step = self.steps.steps
        state.moments = [steps.flat(self.net, *self.steps.array(k)) for k in range(1, self.steps.n_arrays)]

    # ---- checkpoints ----

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides the steps, to know the run again."""
        method, net, places = self.method, self.given, self.places
        structure: list[NDArray[Any]] = [
            net.tail,
            net.head,
            net.inputs,
            net.outputs,
            net.activation_code,
            net.aggregation_code,
        ]
        if net.bias_tie is not None:
            structure.append(net.bias_tie)
        return {
            "loss": [method.loss.name, method.loss.compiled and method.loss.compiled[1]],
            "optimizer": _shown(method.optimizer),
            "schedule": _shown(self.schedule),
            "processes": 1 if self.processes is None else self.processes.size,
            "batch_size": method.batch_size,
            "accumulate": method.accumulate,
            "clip_norm": method.clip_norm,
            "l1": method.l1,
            "average": method.average,
            "dropout": method.dropout,
            "sparse": _shown(self.change),
            "epochs": None if self.schedule is None and self.change is None else self.epochs,
            "checksum of the places": None if places is None else checksum(places.rank, places.pairs),
            "seed": self.seed,
            "samples": self.source.n_samples,
            "checksum of the samples": self.source.checksum(),
            "dtype": str(net.dtype),
            "checksum of the network": checksum(*structure, net.response),
        }

    def _save_is_due(self, saved: Checkpoint, steps_before: int) -> bool:
        return saved.steps is not None and self.steps.steps > steps_before and self.steps.steps % saved.steps == 0

    def _time_to_save(self, saved: Checkpoint) -> bool:
        return saved.minutes is not None and time.monotonic() - self.saved_at >= 60 * saved.minutes

    def _save(self, saved: Checkpoint, *, first: bool = False) -> None:
        """Training goes on where a file cannot be written, unless it is the first. Of several processes all come here
        after the same step, and the first writes."""
        tallies = [self.tally.numbers()]
        if self.processes is not None:
            tallies = self.tally.numbers_of_each(self.processes, self.net.n_outputs)
        self.saved_at = time.monotonic()
        if self.processes is not None and not self.processes.is_first:
            return
        arrays: dict[str, FloatArray] = {}
        for k in range(self.steps.n_arrays):
            arrays[f"{k}.weight"], arrays[f"{k}.bias"] = self.steps.array(k)
        for name in ("net", "best", "last_finite"):
            network: Network = getattr(self, name)
            arrays[f"{name}.weight"], arrays[f"{name}.bias"] = network.weight, network.bias
            if self.change is not None:
                arrays[f"{name}.tail"], arrays[f"{name}.head"] = network.tail, network.head
        numbers = {
            "settings": self.settings,
            "steps": self.steps.steps,
            "epoch": self.epoch,
            "chunk": self.chunk,
            "place": self.place,
            "lowest": self.lowest,
            "fell": self.fell,
            "tallies": tallies,
            "history": {name: getattr(self.history, name) for name in History.ENTRIES},
        }
        try:
            checkpoints.write(saved.path, arrays, numbers)
        except FormatError as error:
            if first:
                raise
            warnings.warn(f"{error}; training goes on, the state saved before stays", RuntimeWarning, stacklevel=2)
        self.saved_at = time.monotonic()

    def restore(self, path: str | PathLike[str]) -> None:
        """Go on from a checkpoint. FormatError if it cannot be read, DataError if it is of another run."""
        arrays, numbers = checkpoints.read(path)
        for name, here in self.settings.items():
            there = numbers["settings"].get(name)
            if there != here:
                raise DataError(f"the checkpoint {path} is of another run: {name} is {there} there and {here} here")
        for name in ("best", "last_finite"):
            setattr(self, name, self._network(arrays, name))
        if self.change is not None:
            self.net = self.history.network = self._network(arrays, "net")
            self.steps = steps.begin(self.net, self.method)
        self.steps.go_on(numbers["steps"], [_pair(arrays, str(k)) for k in range(self.steps.n_arrays)])
        self.epoch, self.chunk, self.place = numbers["epoch"], numbers["chunk"], numbers["place"]
        self.lowest, self.fell = numbers["lowest"], numbers["fell"]
        rank = 0 if self.processes is None else self.processes.rank
        self.tally = metrics.Tally(self.method.loss, numbers["tallies"][rank])
        for name, value in numbers["history"].items():
            setattr(self.history, name, value)
        self.resumed = True
        self._put(averaged=True)

    def check_alike(self, saved: Checkpoint | None) -> None:
        """EdgewiseError if the processes do not begin alike, or have other steps at which they speak to each other."""
        if self.processes is None:
            return
        arrays = [array for k in range(self.steps.n_arrays) for array in self.steps.array(k)]
        at = np.array([self.steps.steps, self.epoch, self.chunk, self.place])
        self.processes.check_alike(checksum(*arrays, at), "parameters")
        self.processes.check_alike(_checksum_of(self.settings), "data, network or settings")
        meetings = [_every(callback) for callback in self.callbacks], self.epochs, self.patience, repr(self.tolerance)
        self.processes.check_alike(_checksum_of(meetings), "callbacks, epochs or patience")
        self.processes.check_alike(_checksum_of(saved and [saved.steps, saved.minutes]), "checkpoints")

    def _network(self, arrays: dict[str, Any], name: str) -> Network:
        weight, bias = _pair(arrays, name)
        if self.change is None:
            network = self.net.with_own_parameters()
            network.weight[:] = weight
        else:
            network = self.net.with_arcs(arrays[f"{name}.tail"], arrays[f"{name}.head"], weight)
        network.bias[:] = bias
        return network


def _pair(arrays: dict[str, Any], name: str) -> steps.Pair:
    return arrays[f"{name}.weight"], arrays[f"{name}.bias"]


def _shown(setting: Any) -> str | None:
    """A setting as text that is the same in another process."""
    return None if setting is None else repr(setting) if is_dataclass(setting) else type(setting).__name__


def _checksum_of(settings: Any) -> int:
    return checksum(np.frombuffer(repr(settings).encode(), np.uint8))


def _together(chunk: Chunk, places: slice) -> tuple[Chunk, slice]:
    """A step's samples, those of all processes, as one process alone has them."""
    if chunk.together is None:
        return chunk, places
    of_all = chunk.together(places)
    return of_all, slice(0, len(of_all.order))


def _every(callback: Callback) -> int:
    return int(getattr(callback, "every", 1))


@contextmanager
def _interrupts_wait() -> Iterator[threading.Event]:
    """Ctrl-C is noted, to be seen to between steps; pressed again it breaks off at once."""
    interrupted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield interrupted
        return

    def note(number: int, frame: Any) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _not_finite(net: Network, bwd: BackwardPass, epoch: int, step: int) -> str:
    """What went wrong, and at the first node, in forward order, where it shows."""
    loss, where = bwd.loss, "in the gradients"
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
