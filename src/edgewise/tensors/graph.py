"""The nodes and arcs that operations on tensors add, and the network that they are in the end.

A tensor is an array of node indices. So whatever only moves entries (reshape, transpose, concatenate, slice, repeat) is
NumPy's operation on that array and adds nothing; whatever computes adds one node for each entry of its result.

A program is written for several samples at once, a network for one. So a program is lowered for as many samples as the
graph is made for, each node belongs to the sample its arcs come from, and a node that would read two samples is an
error: the program mixes them. Only the first sample's nodes and arcs are kept.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import MAX_INDEX, FloatArray, IntArray
from edgewise.errors import GraphError
from edgewise.network import Network
from edgewise.tensors.folding import UNTIED, Arcs, Nodes, fold, numbered, read

ZERO = -1
"""An entry that is constantly 0 and has no node: the padding around an image."""
NO_SAMPLE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """An array whose entries are nodes."""

    entries: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.entries.shape

    def moved(self, move: Callable[[NDArray[Any]], NDArray[Any]]) -> "Tensor":
        """The tensor after an operation that moves entries."""
        return Tensor(np.asarray(move(self.entries), np.int32))


Value = Tensor | NDArray[Any]
"""What an operation takes: a tensor of nodes, or constants."""


class TensorGraph:
    """Nodes and arcs in the making; see the module.

    samples : how many samples the tensors hold, along the first axis of inputs and outputs.
    limit : GraphError instead of more arcs, or entries of a tensor, than this, before memory is taken for them.

    Equal places in memory are equal weights: two arcs whose weights are the same entry of the same array are tied. So
    are a kernel's arcs at all its positions, and those of two uses of one matrix, transposed or not. Likewise two nodes
    whose biases are the same entry of an array. A bias that is a plain number is no parameter of the program; nodes
    whose weights are the same then share what becomes of it, so that a convolution without a bias stays one.
    """

    def __init__(self, samples: int = 1, limit: int = MAX_INDEX) -> None:
        self.samples, self.limit = samples, limit
        self._size, self._n_arcs = 0, 0
        self._sample: IntArray = np.zeros(1024, np.int32)
        self._bias: list[FloatArray] = []
        self._bias_key: list[NDArray[np.int64]] = []
        self._kinds: list[tuple[int, str, str]] = []  # how many nodes of which activation and aggregation
        self._arcs: list[Arcs] = []
        self._reads: list[tuple[IntArray, IntArray]] = []  # which entries each operation makes of which
        self._inputs: list[IntArray] = []
        self._kept: list[Any] = []  # so that no other array comes to lie where a weight lay

    # ---- leaves ----

    def input(self, shape: Sequence[int], batched: bool = True) -> Tensor:
        """A tensor of inputs; its first axis is that of the samples, unless it is not batched."""
        entries = self._new(tuple(shape), 0.0, "identity", "sum")
        owner = np.arange(shape[0], dtype=np.int32) if batched else np.zeros(1, np.int32)
        self._sample[entries.reshape(-1)] = np.repeat(owner, entries.size // len(owner))
        self._inputs.append(entries.reshape(-1))
        return Tensor(entries)

    def constant(self, values: NDArray[Any]) -> Tensor:
        """A node without arcs for each number, which is its bias."""
        return Tensor(self._new(values.shape, values, "identity", "sum"))

    def tensor(self, given: Value) -> Tensor:
        """A tensor, made of constants if need be."""
        return given if isinstance(given, Tensor) else self.constant(np.asarray(given))

    def solid(self, x: Tensor) -> Tensor:
        """The tensor with a node also where it is constantly 0."""
        absent = x.entries == ZERO
        if not absent.any():
            return x
        return Tensor(np.where(absent, self.constant(np.zeros(())).entries, x.entries))

    def keep(self, weights: NDArray[Any]) -> None:
        """Hold an array whose places in memory are keys, so that no other comes to lie there."""
        self._kept.append(weights)

    def padded(self, x: Tensor, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
        """With so many entries of one number before and after each axis; negative widths cut entries off."""
        grown = [(max(before, 0), max(after, 0)) for before, after in widths]
        self.room(tuple(n + sum(pair) for n, pair in zip(x.shape, grown, strict=True)))
        around = int(self.constant(np.full((), value)).entries) if value else ZERO
        cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape, strict=True))
        return x.moved(lambda e: np.pad(e[cut], grown, constant_values=around))

    # ---- operations ----

    def affine(self, x: Tensor, scale: Any = 1.0, shift: Any = 0.0, activation: str = "identity") -> Tensor:
        """Φ(scale·x + shift), entry by entry, with NumPy's broadcasting; a scale that is an array is tied where it is
        broadcast."""
        tied = isinstance(scale, np.ndarray)
        scale = np.asarray(scale)
        shape = np.broadcast_shapes(x.shape, scale.shape, np.shape(shift))
        self.room(shape)
        tails = np.broadcast_to(x.entries, shape)
        return self.terms(tails[..., None], scale[..., None], 1, bias=shift, activation=activation, tied=tied)

    def activate(self, x: Tensor, activation: str) -> Tensor:
        """Φ(x) for an activation of the table."""
        return self.affine(x, activation=activation)

    def combine(self, terms: Sequence[tuple[float, Tensor]], bias: float = 0.0) -> Tensor:
        """The sum of tensors, each times a number, plus a number."""
        stacked, shape = self._stacked([x for _, x in terms])
        scale = np.array([factor for factor, _ in terms]).reshape((1,) * len(shape) + (-1,))
        return self.terms(stacked, scale, 1, bias=bias, tied=False)

    def aggregate(self, tensors: Sequence[Tensor], aggregation: str) -> Tensor:
        """The product, maximum, minimum of tensors, entry by entry."""
        stacked, _ = self._stacked([self.solid(x) for x in tensors])
        return self.terms(stacked, np.ones(()), 1, aggregation=aggregation, tied=False)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """a·b"""
        return self.aggregate([a, b], "product")

    def over_axes(
        self,
        x: Tensor,
        axes: Sequence[int],
        keepdims: bool,
        aggregation: str = "sum",
        weight: float = 1.0,
    ) -> Tensor:
        """The sum (or another aggregation) of weight·x over some axes."""
        axes = sorted(axis % len(x.shape) for axis in axes)
        if aggregation not in ("sum", "mean"):
            x = self.solid(x)
        rest = [axis for axis in range(len(x.shape)) if axis not in axes]
        made = self.terms(
            x.entries.transpose([*rest, *axes]), np.full((), weight), len(axes), aggregation=aggregation, tied=False
        )
        return made.moved(lambda e: np.expand_dims(e, axes)) if keepdims else made

    def mean(self, x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
        count = math.prod(x.shape[axis] for axis in axes)
        if not count:
            raise GraphError(f"a mean over no entries, of shape {x.shape}")
        return self.over_axes(x, axes, keepdims, weight=1 / count)

    def matmul(self, a: Value, b: Value, bias: Any = 0.0) -> Tensor:
        """a @ b + bias; zeros in a constant matrix are arcs that are not there."""
        rank_a, rank_b = len(a.shape), len(b.shape)
        if not rank_a or not rank_b:
            raise GraphError("a matrix product of a single number")
        if rank_a == 1 or rank_b == 1:  # as NumPy has it: a row, or a column, whose axis is taken off again
            row, column = (rank_a == 1, rank_b == 1)
            full = self.matmul(
                moved(a, lambda e: e[None, :]) if row else a, moved(b, lambda e: e[:, None]) if column else b
            )
            taken = tuple(axis for axis, there in ((-2, row), (-1, column)) if there)
            product = full.moved(lambda e: np.squeeze(e, taken))
            return product if _is_zero(bias) else self.affine(product, shift=bias)
        if a.shape[-1] != b.shape[-2]:
            raise GraphError(f"a matrix product of shapes {a.shape} and {b.shape}")
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            pairs = self.multiply(
                a.moved(lambda e: e[..., :, None, :]), b.moved(lambda e: np.swapaxes(e, -1, -2)[..., None, :, :])
            )
            product = self.over_axes(pairs, [-1], False)
            return product if _is_zero(bias) else self.affine(product, shift=bias)
        if isinstance(a, Tensor):
            matrix = np.swapaxes(np.asarray(b), -1, -2)[..., None, :, :]
            return self.terms(a.entries[..., :, None, :], matrix, 1, bias=bias)
        assert isinstance(b, Tensor)
        turned = np.swapaxes(b.entries, -1, -2)[..., None, :, :]
        return self.terms(turned, np.asarray(a)[..., :, None, :], 1, bias=bias)

    # ---- what all operations are made of ----

    def terms(
        self,
        tails: IntArray,
        weights: NDArray[Any],
        n_term_axes: int,
        *,
        bias: Any = 0.0,
        activation: str = "identity",
        aggregation: str = "sum",
        tied: bool = True,
        keys: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """New nodes Φ(bias + agg{w·y}), one for each entry of the leading axes, with the terms along the last ones.

        tails, weights : of shapes that broadcast to result + terms. A tail ZERO, and a weight 0, is no arc.
        bias : of a shape that broadcasts to the result, an array being parameters; or a number.
        keys : where the weights lie, if not where `weights` says: equal keys are tied.
        """
        shape = np.broadcast_shapes(tails.shape, weights.shape)
        self.room(shape)
        made = shape[: len(shape) - n_term_axes]
        if keys is None and tied and weights.ndim:
            keys = addresses(weights)
            self.keep(weights)
        if keys is not None and not isinstance(bias, np.ndarray):
            bias = np.full(keys.shape[: keys.ndim - n_term_axes], bias)
        entries = self._new(made, bias, activation, aggregation)
        there = (tails != ZERO) & (weights != 0)
        if self.samples > 1:
            own = self._samples_of(tails, tuple(range(tails.ndim - n_term_axes, tails.ndim)))
            self._sample[entries.reshape(-1)] = np.broadcast_to(own, made).reshape(-1)
            there = there & (own <= 0).reshape(own.shape + (1,) * n_term_axes)
        there = np.broadcast_to(there, shape)
        dense = bool(there.all())

        def chosen(array: NDArray[Any]) -> NDArray[Any]:
            full = np.broadcast_to(array, shape)
            return full.reshape(-1) if dense else full[there]

        tail = chosen(tails)
        weight = chosen(np.asarray(weights, np.float64))
        key = np.full(len(weight), UNTIED, np.int64) if keys is None else chosen(keys)
        self._n_arcs += len(weight)
        if self._n_arcs > self.limit:
            raise GraphError(f"the network would have more than {self.limit:,} arcs")
        self._arcs.append(Arcs(tail, chosen(entries.reshape(made + (1,) * n_term_axes)), weight, key))
        self._reads.append((tails, entries))
        return Tensor(entries)

    def _samples_of(self, tails: IntArray, term_axes: tuple[int, ...]) -> IntArray:
        """The sample that each new node belongs to, from those of its tails."""
        own = np.where(tails == ZERO, NO_SAMPLE, self._sample[tails])
        last: IntArray = own.max(axis=term_axes, initial=NO_SAMPLE)
        first = np.where(own == NO_SAMPLE, self.samples, own).min(axis=term_axes, initial=self.samples)
        if (first < last).any():
            raise GraphError("it mixes samples: a network computes each sample by itself")
        return last

    def _new(self, shape: tuple[int, ...], bias: Any, activation: str, aggregation: str) -> IntArray:
        self.room(shape)
        count = math.prod(shape)
        if self._size + count > self.limit:
            raise GraphError(f"the network would have more than {self.limit:,} nodes")
        first, self._size = self._size, self._size + count
        if self._size > len(self._sample):
            self._sample = np.concatenate([self._sample[:first], np.zeros(self._size, np.int32)])
        self._sample[first : self._size] = NO_SAMPLE
        self._bias.append(np.broadcast_to(np.asarray(bias, np.float64), shape).reshape(-1))
        key = np.full((), UNTIED, np.int64)
        if isinstance(bias, np.ndarray):
            key = addresses(bias)
            self.keep(bias)
        self._bias_key.append(np.broadcast_to(key, shape).reshape(-1))
        self._kinds.append((count, activation, aggregation))
        entries: IntArray = np.arange(first, self._size, dtype=np.int32).reshape(shape)
        return entries

    def room(self, shape: Sequence[int]) -> None:
        """GraphError if a tensor of this shape would be more than the limit."""
        if math.prod(shape) > self.limit:
            raise GraphError(f"{' × '.join(map(str, shape))} is more than {self.limit:,} entries")

    def _stacked(self, tensors: Sequence[Tensor]) -> tuple[IntArray, tuple[int, ...]]:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
        self.room((*shape, len(tensors)))
        return np.stack([np.broadcast_to(x.entries, shape) for x in tensors], axis=-1), shape

    # ---- the end ----

    def network(self, outputs: Sequence[Tensor], dtype: Any, batched: bool = True) -> Network:
        """The network of the first sample: inputs and outputs in row-major order, one tensor after the other.

        A node that only scales and shifts what nobody else reads, or only applies an activation to it, is folded into
        the node before; what is computed and not used is left out.
        """
        for x in outputs:
            if batched and (not x.shape or x.shape[0] % self.samples):
                raise GraphError(
                    f"an output has shape {x.shape}; its first axis must be that of the samples"
                )  # or begin with it
        parts = self.samples if batched else 1
        chosen = np.concatenate([x.entries.reshape(-1)[: x.entries.size // parts] for x in outputs])
        if not len(chosen):
            raise GraphError("the outputs have no entries; a network needs at least one")
        self._distinct_outputs(chosen)
        if (self._sample[chosen] > 0).any():
            raise GraphError("the outputs mix samples: a network computes each sample by itself")
        given = np.concatenate([np.zeros(0, np.int32), *self._inputs])
        given = given[self._sample[given] <= 0]
        arcs = Arcs(*(np.concatenate([a[k] for a in self._arcs] or [np.zeros(0)]) for k in range(4)))
        arcs = arcs._replace(tail=arcs.tail.astype(np.int32), head=arcs.head.astype(np.int32))
        wanted = read(self._size, self._reads, chosen) & (self._sample[: self._size] <= 0)
        arcs = arcs.where(wanted[arcs.head])
        fixed = np.zeros(self._size, np.bool_)
        fixed[given] = fixed[chosen] = True
        arcs, nodes, gone = fold(arcs, self._nodes(), fixed)
        wanted &= ~gone
        wanted[given] = True
        return _network(arcs, nodes, np.flatnonzero(wanted), given, chosen, dtype)

    def _distinct_outputs(self, chosen: IntArray) -> None:
        """Outputs must be nodes, each listed once: copies of those that are constantly 0, or stand there twice."""
        chosen[chosen == ZERO] = self.constant(np.zeros(int((chosen == ZERO).sum()))).entries
        _, first = np.unique(chosen, return_index=True)
        again = np.ones(len(chosen), np.bool_)
        again[first] = False
        if again.any():
            chosen[again] = self.affine(Tensor(chosen[again])).entries

    def _nodes(self) -> Nodes:
        activations = sorted({activation for _, activation, _ in self._kinds})
        aggregations = sorted({aggregation for *_, aggregation in self._kinds})
        counts = [count for count, *_ in self._kinds]
        return Nodes(
            np.concatenate(self._bias),
            np.concatenate(self._bias_key),
            np.ones(self._size),
            np.repeat(np.array([activations.index(a) for _, a, _ in self._kinds], np.int32), counts),
            np.repeat(np.array([aggregations.index(a) for *_, a in self._kinds], np.int32), counts),
            tuple(activations),
            tuple(aggregations),
        )


def _network(
    arcs: Arcs, nodes: Nodes, kept: NDArray[np.intp], inputs: IntArray, outputs: IntArray, dtype: Any
) -> Network:
    place = np.full(len(nodes.bias), -1, np.int32)
    rest = kept[~np.isin(kept, inputs)]
    order = np.concatenate([inputs, rest])
    place[order] = np.arange(len(order), dtype=np.int32)
    bias, bias_key = nodes.bias[order], nodes.bias_key[order]
    return Network(
        place[arcs.tail],
        place[arcs.head],
        arcs.weight,
        bias=bias,
        activation=np.array(nodes.activations, object)[nodes.activation[order]].tolist(),
        aggregation=np.array(nodes.aggregations, object)[nodes.aggregation[order]].tolist(),
        response=nodes.response[order],
        inputs=place[inputs],
        outputs=place[outputs],
        tie=_ties(arcs.key),
        bias_tie=_ties(np.where(bias_key == UNTIED, UNTIED, numbered(bias_key, bias))),
        dtype=dtype,
    )


def _ties(key: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """A parameter index for each arc from its key; None if no two arcs share one."""
    tied = key != UNTIED
    found, index = np.unique(key[tied], return_inverse=True)
    if len(found) == int(tied.sum()):
        return None
    tie = np.empty(len(key), np.int64)
    tie[tied] = index.reshape(-1)
    tie[~tied] = len(found) + np.arange(len(key) - int(tied.sum()))
    return tie


def addresses(array: NDArray[Any]) -> NDArray[np.int64]:
    """Where each entry of an array lies in memory."""
    found = np.full((), array.__array_interface__["data"][0], np.int64)
    for axis, (count, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        along = np.arange(count, dtype=np.int64) * stride
        found = found + along.reshape((-1,) + (1,) * (array.ndim - 1 - axis))
    return found


def moved(value: Value, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Value:
    """A tensor or constants, after an operation that moves entries."""
    return value.moved(move) if isinstance(value, Tensor) else move(value)


def _is_zero(bias: Any) -> bool:
    return not np.any(bias)
