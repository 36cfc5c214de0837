"""Operations on windows of a tensor (samples, channels, *space): convolutions and pools."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.tensors.graph import ZERO, Tensor, TensorGraph, addresses

OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Axis:
    """The windows along one axis."""

    place: NDArray[np.intp]
    """(windows, places in each) where they look, OUTSIDE in the padding."""
    extent: NDArray[np.intp]
    """(windows,) how many places each has, with the padding that was asked for, without what lies behind it."""

    @property
    def inside(self) -> NDArray[np.intp]:
        """(windows,) how many places of each are not padding."""
        found: NDArray[np.intp] = (self.place != OUTSIDE).sum(axis=1)
        return found


def sliding(
    size: int, kernel: int, stride: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1, ceil: bool = False
) -> Axis:
    """Windows of `kernel` places, `dilation` apart, that begin every `stride` places of the padded axis.

    ceil : the last window may reach beyond the padding, but begins within the axis or the padding before it.
    """
    if min(kernel, stride, dilation) < 1:
        raise GraphError(
            f"a window with kernel {kernel}, stride {stride}, dilation {dilation}; each must be at least 1"
        )
    room = size + sum(padding) - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + padding[0]:
        count -= 1
    if size < 1 or room < 0 or count < 1:
        raise GraphError(f"a window of {kernel} places, {dilation} apart, on an axis of {size} with padding {padding}")
    place = (np.arange(count) * stride - padding[0])[:, None] + np.arange(kernel) * dilation
    extent = (place < size + padding[1]).sum(axis=1)
    place[(place < 0) | (place >= size)] = OUTSIDE
    return Axis(place, extent)


def adaptive(size: int, count: int) -> Axis:
    """`count` windows that together cover the axis, as PyTorch's adaptive pools place them."""
    if count < 1 or size < 1:
        raise GraphError(f"{count} windows on an axis of {size}")
    first = np.arange(count) * size // count
    last = -(-(np.arange(count) + 1) * size // count)
    place = first[:, None] + np.arange(int((last - first).max()))
    place[place >= last[:, None]] = OUTSIDE
    return Axis(place, last - first)


def _look(x: NDArray[np.int32], axes: Sequence[Axis]) -> NDArray[np.int32]:
    """(samples, channels, *space) entries to (samples, channels, *windows, *places), ZERO in the padding."""
    n = len(axes)
    padded = np.pad(x, [(0, 0), (0, 0), *[(0, 1)] * n], constant_values=ZERO)  # OUTSIDE is the last place
    index: list[Any] = [
        axis.place.reshape(
            (1,) * k + (axis.place.shape[0],) + (1,) * (n - 1) + (axis.place.shape[1],) + (1,) * (n - 1 - k)
        )
        for k, axis in enumerate(axes)
    ]
    everything: Any = slice(None)
    found: NDArray[np.int32] = padded[(everything, everything, *index)]
    return found


def _check(graph: TensorGraph, x: Tensor, axes: Sequence[Axis], channels: int) -> None:
    cells = math.prod(axis.place.size for axis in axes) * x.shape[0] * channels
    if cells > graph.limit:
        raise GraphError(f"windows with {cells:,} entries together; at most {graph.limit:,} fit")


def convolution(
    graph: TensorGraph, x: Tensor, kernel: NDArray[Any], axes: Sequence[Axis], groups: int = 1, bias: Any = 0.0
) -> Tensor:
    """x (samples, channels, *space) with kernel (channels out, channels in / groups, *places); bias: one a channel.

    The arcs of an entry of the kernel are tied; an entry that is 0 has none. So are the biases of a channel.
    """
    n = len(axes)
    if len(x.shape) != n + 2 or kernel.ndim != n + 2 or kernel.shape[2:] != tuple(a.place.shape[1] for a in axes):
        raise GraphError(f"a convolution of {x.shape} with a kernel {kernel.shape}")
    samples, channels = x.shape[:2]
    out = kernel.shape[0]
    if groups < 1 or channels != kernel.shape[1] * groups or out % groups:
        raise GraphError(f"a convolution of {channels} channels in {groups} groups with a kernel {kernel.shape}")
    _check(graph, x, axes, channels)
    windows = tuple(a.place.shape[0] for a in axes)
    seen = _look(x.entries, axes).reshape(samples, groups, 1, channels // groups, *windows, *kernel.shape[2:])
    seen = np.moveaxis(seen, 3, 3 + n)  # channels belong to the terms

    def placed(array: NDArray[Any]) -> NDArray[Any]:
        return array.reshape(groups, out // groups, *(1,) * n, *kernel.shape[1:])

    kept = np.ascontiguousarray(kernel)
    graph.keep(kept)
    if np.ndim(bias):
        bias = np.asarray(bias).reshape(groups, out // groups, *(1,) * n)
    made = graph.terms(seen, placed(kept), n + 1, bias=bias, keys=placed(addresses(kept)))
    return made.moved(lambda e: e.reshape(samples, out, *windows))


def average_pool(
    graph: TensorGraph, x: Tensor, axes: Sequence[Axis], count_padding: bool = False, divisor: int | None = None
) -> Tensor:
    """The mean of each window of each channel.

    count_padding : the padding counts as zeros, not as nothing.
    divisor : what the sum is divided by instead.
    """
    _check_pool(graph, x, axes)
    n = len(axes)
    count: NDArray[Any] = np.ones((1,) * n)
    for k, axis in enumerate(axes):
        own = axis.extent if count_padding else axis.inside
        count = count * own.reshape((-1,) + (1,) * (n - 1 - k))
    if divisor is not None:
        count = np.full_like(count, divisor)
    weights = (1 / np.maximum(count, 1)).reshape(*count.shape, *(1,) * n)
    return graph.terms(_look(x.entries, axes), weights, n, tied=False)


def max_pool(graph: TensorGraph, x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The largest of each window of each channel; where several are, the first takes all of the derivative."""
    _check_pool(graph, x, axes)
    if any((axis.inside == 0).any() for axis in axes):
        raise GraphError("a pool has a window with nothing but padding")
    return graph.terms(_look(graph.solid(x).entries, axes), np.ones(()), len(axes), aggregation="max", tied=False)


def _check_pool(graph: TensorGraph, x: Tensor, axes: Sequence[Axis]) -> None:
    if len(x.shape) != len(axes) + 2:
        raise GraphError(f"a pool over {len(axes)} axes of a tensor of shape {x.shape}")
    _check(graph, x, axes, x.shape[1])
