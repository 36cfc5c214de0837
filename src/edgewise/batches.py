"""What training goes through: the samples of an epoch in chunks, each of which fits in memory.

Arrays are one chunk. The rows of a SciPy sparse matrix or of a memory-mapped array become a dense chunk when their turn
comes, in an order drawn over all of them. A stream, which need not know how much it holds, gives its own chunks; here
the rows of each are put in another order, and what does not fill a step is carried over to the next.

A chunk's order is a whole number of steps, but for the last of an epoch. The same epoch always gives the same chunks:
so training can be taken up in the middle of one.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import samples
from edgewise.arrays import FloatArray, checksum, shuffled
from edgewise.errors import DataError
from edgewise.losses import ClassWeight, Loss
from edgewise.network import Network

BYTES_AT_ONCE = 1 << 26
"""About what a dense chunk takes of rows that are not in memory as such."""


@runtime_checkable
class Stream(Protocol):
    """Samples that come in chunks. An attribute `n_samples`, if there is one, says how many an epoch has; one
    `fingerprint`, by what text a checkpoint knows the stream again.
    """

    def chunks(self, epoch: int) -> Iterable[tuple[Any, ...]]:
        """(x, y) or (x, y, sample_weight) of any number of samples each; for the same epoch always the same."""
        ...


@runtime_checkable
class ShareableStream(Stream, Protocol):
    """A stream of which several processes can each have their share without going through all of it.

    It mixes its samples itself: they are taken in the order in which they come.
    """

    @property
    def n_samples(self) -> int:
        """Of an epoch."""
        ...

    def share(self, rank: int, size: int) -> Any:
        """A stream, or a list of chunks, of what the `rank`-th of so many processes has.

        To train on, that is every `size`-th sample, from the `rank`-th on, in chunks that are as long for every rank;
        where the last cannot be, it comes with weights in all, and ends with a sample that weighs 0 in those that lack
        one. To measure on, it is any share.
        """
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples in memory and the order in which they are taken."""

    x: FloatArray
    """(n, n_inputs)"""
    y: NDArray[Any]
    """(n, …) as `Loss.check` returns it"""
    weight: FloatArray | None
    """(n,)"""
    order: NDArray[np.int64]
    padding: int = 0
    """How many samples at the end of the order are there only to fill a step; they weigh nothing."""
    together: "Callable[[slice], Chunk] | None" = field(default=None, compare=False, repr=False)
    """Where this is one process's share: what all processes take at these places of their orders, as one process alone
    would take it."""
    apart: bool = False
    """Whether the other processes have to be asked for that, so that all must call it after the same step."""

    def rows(self, places: slice) -> tuple[FloatArray, NDArray[Any], FloatArray | None]:
        """x, y and weight of the samples at these places of the order."""
        rows = self.order[places]
        return self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows]


@dataclass(frozen=True, slots=True)
class Target:
    """How y and weights are read."""

    network: Network
    loss: Loss
    class_weight: ClassWeight | None

    def read(self, x: Any, y: Any, weight: ArrayLike | None) -> Chunk:
        """A chunk in the order given. DataError for what does not fit."""
        x_all, one_sample = samples.read(self.network, x)
        if one_sample:
            raise DataError(f"x has shape {np.shape(x)}; training needs samples as rows, (B, {self.network.n_inputs})")
        y_all, weights = self.read_y(y, weight, len(x_all))
        return Chunk(x_all, y_all, weights, np.arange(len(x_all), dtype=np.int64))

    def read_y(self, y: Any, weight: ArrayLike | None, n: int) -> tuple[NDArray[Any], FloatArray | None]:
        """y as the loss works on it, and one weight per sample that counts its class's, or None."""
        y_all = self.loss.check(y, self.network.n_outputs, n)
        weights = None if weight is None else samples.read_weights(weight, n)
        if self.class_weight is not None:
            of_class = self.loss.class_weights(self.class_weight, y_all, self.network.n_outputs)
            weights = of_class if weights is None else weights * of_class
        return y_all, weights


class Source(Protocol):
    """Where chunks come from."""

    @property
    def n_samples(self) -> int | None:
        """Of an epoch, if that is known."""
        ...

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        """Those of one epoch, in an order that (seed, epoch) decides, or as they come if the seed is None."""
        ...

    def checksum(self) -> int | str | None:
        """Of all that is in memory, to know the samples again; or what a stream says of itself."""
        ...


def _order(rows: NDArray[np.int64], epoch: int, seed: int | None) -> NDArray[np.int64]:
    return rows if seed is None else shuffled(rows, seed, epoch)


@dataclass(frozen=True, slots=True)
class _Arrays:
    """All samples in memory."""

    whole: Chunk

    @property
    def n_samples(self) -> int:
        return len(self.whole.order)

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        whole = self.whole
        yield Chunk(whole.x, whole.y, whole.weight, _order(whole.order, epoch, seed))  # `replace` takes longer

    def checksum(self) -> int:
        whole = self.whole
        return checksum(whole.x, whole.y, whole.order, *([] if whole.weight is None else [whole.weight]))

    def keep(self, rows: NDArray[np.int64]) -> "_Arrays":
        return _Arrays(replace(self.whole, order=rows))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a SciPy sparse matrix or of an array in a file, dense a chunk at a time."""

    target: Target
    x: Any
    y: NDArray[Any]
    weight: FloatArray | None
    order: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        return len(self.order)

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        return map(self.read, self.orders(epoch, step_size, seed))

    def orders(self, epoch: int, step_size: int, seed: int | None) -> Iterator[NDArray[np.int64]]:
        """The rows of each chunk."""
        order = _order(self.order, epoch, seed)
        at_once = BYTES_AT_ONCE // (self.target.network.n_inputs * self.target.network.dtype.itemsize)
        at_once = max(1, at_once // step_size) * step_size
        return (order[first : first + at_once] for first in range(0, len(order), at_once))

    def read(self, rows: NDArray[np.int64]) -> Chunk:
        """These rows, dense, in this order."""
        x, _ = samples.read(self.target.network, self.x[rows], rows)
        weight = None if self.weight is None else self.weight[rows]
        return Chunk(x, self.y[rows], weight, np.arange(len(rows), dtype=np.int64))

    def checksum(self) -> int:
        return checksum(self.y, self.order, *([] if self.weight is None else [self.weight]))

    def keep(self, rows: NDArray[np.int64]) -> "_Rows":
        return replace(self, order=rows)


@dataclass(frozen=True, slots=True)
class _Streamed:
    """A stream, or anything that can be gone through once for each epoch."""

    target: Target
    stream: Any
    may_be_empty: bool = False

    @property
    def n_samples(self) -> int | None:
        found = getattr(self.stream, "n_samples", None)
        return None if found is None else int(found)

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        return _whole_steps(self._read(epoch, seed), step_size)

    def checksum(self) -> str | None:
        found = getattr(self.stream, "fingerprint", None)
        return None if found is None else str(found)

    def _read(self, epoch: int, seed: int | None) -> Iterator[Chunk]:
        given = self.stream.chunks(epoch) if isinstance(self.stream, Stream) else self.stream
        number = -1
        for number, parts in enumerate(given):
            if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
                raise DataError(f"chunk {number} of the stream is no (x, y) or (x, y, sample_weight) but {parts!r:.80}")
            x, y, weight = (*parts, None) if len(parts) == 2 else parts
            try:
                chunk = self.target.read(x, y, weight)
            except DataError as error:
                raise DataError(f"chunk {number} of the stream: {error}") from None
            if seed is not None and not isinstance(self.stream, ShareableStream):
                chunk = replace(chunk, order=shuffled(chunk.order, seed, epoch, number))
            yield chunk
        if number < 0 and not self.may_be_empty:
            raise DataError(
                f"the stream held nothing in epoch {epoch}; give one that can be gone through once for each epoch: a "
                "list, an object with __iter__ or with chunks(epoch), not a generator that is used up"
            )


def _whole_steps(chunks: Iterable[Chunk], step_size: int) -> Iterator[Chunk]:
    """The same samples in the same order, in chunks of whole steps; what is left of one is put before the next."""
    left: Chunk | None = None
    for chunk in chunks:
        order = chunk.order
        if left is not None:
            wanted = step_size - len(left.order)
            left = _joined(left, _picked(chunk, order[:wanted]))
            order = order[wanted:]
            if len(left.order) < step_size:
                continue
            yield left
            left = None
        whole = len(order) - len(order) % step_size
        if whole:
            yield replace(chunk, order=order[:whole])
        if whole < len(order):
            left = _picked(chunk, order[whole:])
    if left is not None:
        yield left


def _picked(chunk: Chunk, rows: NDArray[np.int64]) -> Chunk:
    weight = None if chunk.weight is None else chunk.weight[rows]
    return Chunk(chunk.x[rows], chunk.y[rows], weight, np.arange(len(rows), dtype=np.int64))


def _joined(first: Chunk, second: Chunk) -> Chunk:
    if first.weight is None and second.weight is None:
        weight = None
    else:
        weight = np.concatenate([np.ones(len(c.order)) if c.weight is None else c.weight for c in (first, second)])
    x, y = np.concatenate([first.x, second.x]), np.concatenate([first.y, second.y])
    return Chunk(x, y, weight, np.arange(len(x), dtype=np.int64))


def read(target: Target, x: Any, y: Any, weight: ArrayLike | None) -> Source:
    """Where the chunks of what a caller hands in come from: x and y, or with y None a stream of both."""
    if y is None:
        if not isinstance(x, Stream) and (not isinstance(x, Iterable) or hasattr(x, "shape")):
            raise DataError("y is missing; without it, x must be a stream of (x, y): see edgewise.batches.Stream")
        if weight is not None:
            raise DataError("a stream brings its weights itself, as (x, y, sample_weight): give no sample_weight")
        return _Streamed(target, x)
    if hasattr(x, "tocsr") or isinstance(x, np.memmap):
        rows = x.tocsr() if hasattr(x, "tocsr") else x
        if rows.ndim != 2 or rows.shape[1] != target.network.n_inputs or not rows.shape[0]:
            raise DataError(f"x has shape {rows.shape}; training needs samples as rows, (B, {target.network.n_inputs})")
        n = rows.shape[0]
        return _Rows(target, rows, *target.read_y(y, weight, n), np.arange(n, dtype=np.int64))
    return _Arrays(target.read(x, y, weight))


def split(source: Source, share: float, seed: int) -> tuple[Source, Source]:
    """Training samples and those held out, so large a share of all."""
    if not isinstance(source, _Arrays | _Rows):
        raise DataError("samples that come in a stream cannot be held out of it: give validation=(x, y), or a stream")
    n = source.n_samples
    n_held = max(1, round(share * n))
    if n_held >= n:
        raise DataError(f"validation={share} of {n} samples leaves none to train on")
    mixed = np.random.default_rng(seed).permutation(n)
    return source.keep(np.sort(mixed[n_held:])), source.keep(mixed[:n_held])


@dataclass(frozen=True, slots=True)
class _Share:
    """What one of several processes takes of each minibatch: every `size`-th sample, from the `rank`-th on.

    Where the last step of an epoch cannot be shared out evenly, it is filled with samples that weigh nothing: all
    processes have as many steps of as many samples.
    """

    whole: Source
    rank: int
    size: int

    @property
    def n_samples(self) -> int | None:
        n = self.whole.n_samples
        return None if n is None else math.ceil(n / self.size)

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        step_size *= self.size
        if isinstance(self.whole, _Rows):  # of which a process reads its own alone
            for rows in self.whole.orders(epoch, step_size, seed):
                yield from self._of_rows(rows, step_size, self.whole.read)
        else:
            for chunk in self.whole.chunks(epoch, step_size, seed):
                yield from self._of_rows(chunk.order, step_size, partial(_picked, chunk), chunk)

    def _of_rows(
        self,
        rows: NDArray[np.int64],
        step_size: int,
        pick: Callable[[NDArray[np.int64]], Chunk],
        chunk: Chunk | None = None,
    ) -> Iterator[Chunk]:
        """This process's of some rows; `pick` makes a chunk of rows, `chunk` holds them all if they are in memory."""
        n = len(rows) - len(rows) % step_size
        for part in (rows[:n], rows[n:]):
            if not len(part):
                continue
            own = part[self.rank :: self.size]
            padding = math.ceil(len(part) / self.size) - len(own)
            if padding:
                found = pick(np.concatenate([own, part[:padding]]))
                weight = np.ones(len(found.order)) if found.weight is None else found.weight
                weight[len(own) :] = 0
                found = replace(found, weight=weight, padding=padding)
            else:
                found = pick(own) if chunk is None else replace(chunk, order=own.copy())
            yield replace(found, together=partial(self._together, part, pick))

    def _together(self, rows: NDArray[np.int64], pick: Callable[[NDArray[np.int64]], Chunk], places: slice) -> Chunk:
        return pick(rows[places.start * self.size : places.stop * self.size])

    def checksum(self) -> int | str | None:
        return self.whole.checksum()


@dataclass(frozen=True, slots=True)
class _StreamedShare:
    """What one of several processes has of a stream that can be shared: it goes through no more than that."""

    whole: _Streamed
    rank: int
    size: int
    of_each: Callable[[NDArray[Any]], NDArray[Any]]

    @property
    def n_samples(self) -> int:
        return math.ceil(int(self.whole.stream.n_samples) / self.size)

    def chunks(self, epoch: int, step_size: int, seed: int | None) -> Iterator[Chunk]:
        n_all, taken = int(self.whole.stream.n_samples), 0
        if n_all < self.size:
            raise DataError(f"the stream has {n_all} samples, too few for {self.size} processes")
        share = replace(self.whole, stream=self.whole.stream.share(self.rank, self.size))
        for chunk in share.chunks(epoch, step_size, None):
            taken += len(chunk.order)
            lacking = -n_all % self.size if taken == self.n_samples else 0
            padding = int(self.rank >= self.size - lacking)
            n = len(chunk.order) * self.size - lacking
            yield replace(chunk, padding=padding, together=partial(self._together, chunk, n), apart=True)

    def _together(self, chunk: Chunk, n: int, places: slice) -> Chunk:
        """n : how many samples all have of this chunk."""
        here = chunk.rows(places)
        n = min(n - places.start * self.size, len(here[0]) * self.size)
        x, y, weight = (None if array is None else self._in_turn(array)[:n] for array in here)
        assert x is not None
        assert y is not None
        if self.whole.target.class_weight is None and weight is not None and (weight == 1).all():
            weight = None  # they are there because of the last sample
        return Chunk(x, y, weight, np.arange(n, dtype=np.int64))

    def _in_turn(self, array: NDArray[Any]) -> NDArray[Any]:
        """(size · n, …) from every process's (n, …)."""
        return np.ascontiguousarray(self.of_each(array).swapaxes(0, 1)).reshape(-1, *array.shape[1:])

    def checksum(self) -> int | str | None:
        return self.whole.checksum()


def share(
    source: Source, rank: int, size: int, of_each: Callable[[NDArray[Any]], NDArray[Any]] | None = None
) -> Source:
    """What the `rank`-th of `size` processes goes through: its own alone, but of a stream that cannot be shared all.

    of_each : gives every process's array, (size, …), to all; without it a stream is not shared.
    """
    if of_each is not None and isinstance(source, _Streamed) and isinstance(source.stream, ShareableStream):
        return _StreamedShare(source, rank, size, of_each)
    return _Share(source, rank, size)


def share_measured(source: Source, rank: int, size: int) -> Source:
    """The same for what is not trained on."""
    if isinstance(source, _Streamed) and isinstance(source.stream, ShareableStream):
        return replace(source, stream=source.stream.share(rank, size), may_be_empty=True)
    return _Share(source, rank, size)


def whole(source: Source) -> Source:
    """What all processes go through together, of which the source may be a share."""
    return source.whole if isinstance(source, _Share | _StreamedShare) else source


def steps_in(source: Source, step_size: int) -> int | None:
    """Steps of an epoch, if that is known."""
    return None if source.n_samples is None else math.ceil(source.n_samples / step_size)
