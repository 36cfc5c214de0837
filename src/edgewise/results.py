"""What a pass gives back: every quantity of the theory, made into an array when it is first asked for, once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.places import AbsentArcs, Places

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from edgewise.network import Network


class ForwardQuantities(Protocol):
    """What an engine keeps of a forward pass; each method makes its array."""

    @property
    def network(self) -> "Network": ...
    def value(self) -> FloatArray: ...  # (B, N)
    def preactivation(self) -> FloatArray: ...  # (B, N)
    def gate(self) -> FloatArray: ...  # (B, N)
    def output(self) -> FloatArray: ...  # (B, n_outputs)


class BackwardQuantities(ForwardQuantities, Protocol):
    """What an engine keeps of both passes, T targets; each method makes its array."""

    def loss_per_sample(self) -> FloatArray | None: ...  # (B,)
    def weight_sum(self) -> float: ...  # what a mean over the batch divides by
    def sensitivity(self) -> FloatArray: ...  # (T, B, N)
    def linear_sensitivity(self) -> FloatArray: ...  # (T, B, N)
    def edge_derivative(self) -> FloatArray: ...  # (B, E)
    def squared_sensitivity(self, *, open_gates: bool) -> FloatArray: ...  # (T, B, N), see `diagnosis.budget`
    def input_gradient(self) -> FloatArray: ...  # (T, B, n_inputs)
    def weight_gradient(self, divisor: float) -> FloatArray: ...  # (T, E), the sum over the batch by it
    def bias_gradient(self, divisor: float) -> FloatArray: ...  # (T, N), the sum over the batch by it
    def response_gradient(self, divisor: float) -> FloatArray: ...  # (T, N), the sum over the batch by it
    def weight_gradient_per_sample(self) -> FloatArray: ...  # (T, B, E)
    def bias_gradient_per_sample(self) -> FloatArray: ...  # (T, B, N)
    # of one target: as many of the places of each group of pairs as are wanted of it, group[p] being pair p's
    def strongest_absent(
        self, places: Places, group: NDArray[np.int32], wanted: NDArray[np.int64], divisor: float
    ) -> AbsentArcs: ...


Made = TypeVar("Made")


class _once(Generic[Made]):
    """functools.cached_property, which until Python 3.12 takes a lock that costs more than a small network's gradient.

    Two threads that ask first at the same time may both make the array; the engine gives them the same numbers."""

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, result: Any, owner: type | None = None) -> Made:
        if result is None:
            return self  # type: ignore[return-value]  # of the class, for its documentation
        made = result.__dict__[self._name] = self._make(result)
        return made


class ForwardPass:
    """The forward pass. One sample in: the batch axis B is left out everywhere."""

    def __init__(self, quantities: ForwardQuantities, *, one_sample: bool) -> None:
        self._forward = quantities
        self._one_sample = one_sample

    def _of_samples(self, array: FloatArray) -> FloatArray:
        """Drops the batch axis, the one before the last, if there was one sample."""
        return array[..., 0, :] if self._one_sample else array

    @_once
    def value(self) -> FloatArray:
        """(B, N) y(j), the post-activation; an input's is the number put in."""
        return self._of_samples(self._forward.value())

    @_once
    def preactivation(self) -> FloatArray:
        """(B, N) s(j) = b_j + r_j·agg_j(w_ij·y(i)); an input's is its value."""
        return self._of_samples(self._forward.preactivation())

    @_once
    def gate(self) -> FloatArray:
        """(B, N) Φ′(s_j); an input's is 1."""
        return self._of_samples(self._forward.gate())

    @_once
    def output(self) -> FloatArray:
        """(B, n_outputs) y of the output nodes, in the order of `Network.outputs`."""
        return self._of_samples(self._forward.output())


class BackwardPass(ForwardPass):
    """Both passes. A list of targets puts a target axis T first; one target, or a loss, leaves it out."""

    def __init__(self, quantities: BackwardQuantities, *, one_sample: bool, one_target: bool, mean: bool) -> None:
        super().__init__(quantities, one_sample=one_sample)
        self._backward = quantities
        self._one_target = one_target
        self._mean = mean

    def _of_targets(self, array: FloatArray) -> FloatArray:
        return array[0] if self._one_target else array

    def _divisor(self) -> float:
        return self._backward.weight_sum() if self._mean else 1.0

    @_once
    def loss_per_sample(self) -> FloatArray | None:
        """(B,) J of each sample, times its weight; None when the target is a node."""
        loss = self._backward.loss_per_sample()
        return loss[0] if loss is not None and self._one_sample else loss

    @_once
    def loss(self) -> float | None:
        """J over the batch, its mean or its sum as asked for; None when the target is a node."""
        loss = self._backward.loss_per_sample()
        if loss is None:
            return None
        return float(loss.sum(dtype=np.float64)) / self._divisor()

    @_once
    def sensitivity(self) -> FloatArray:
        """([T,] B, N) S(i,t) = ∂y(t)/∂y(i), lecture eq. (2); with a loss, of each sample's own J."""
        return self._of_targets(self._of_samples(self._backward.sensitivity()))

    @_once
    def linear_sensitivity(self) -> FloatArray:
        """([T,] B, N) S(j⁻,t) = S(j⁺,t)·Φ′(s_j) = ∂y(t)/∂s(j)."""
        return self._of_targets(self._of_samples(self._backward.linear_sensitivity()))

    @_once
    def edge_derivative(self) -> FloatArray:
        """(B, E) z(i,j) = Φ′(s_j)·r_j·∂agg_j/∂y(i), which is Φ′(s_j)·w_ij for a sum: lecture eq. (1)."""
        return self._of_samples(self._backward.edge_derivative())

    @_once
    def input_gradient(self) -> FloatArray:
        """([T,] B, n_inputs) S of the inputs, in the order of `Network.inputs`."""
        return self._of_targets(self._of_samples(self._backward.input_gradient()))

    @_once
    def weight_gradient(self) -> FloatArray:
        """([T,] E) ∂y(t)/∂w_ij = S(j⁻,t)·y(i), reduced over the batch; a tied edge has the sum over its tie."""
        return self._of_targets(self._backward.weight_gradient(self._divisor()))

    @_once
    def bias_gradient(self) -> FloatArray:
        """([T,] N) ∂y(t)/∂b_j = S(j⁻,t), reduced over the batch; a tied node has the sum over its tie. 0 at inputs,
        which have no bias."""
        return self._of_targets(self._backward.bias_gradient(self._divisor()))

    @_once
    def response_gradient(self) -> FloatArray:
        """([T,] N) ∂y(t)/∂r_j = S(j⁻,t)·agg_j, reduced over the batch; 0 at inputs."""
        return self._of_targets(self._backward.response_gradient(self._divisor()))

    @_once
    def weight_gradient_per_sample(self) -> FloatArray:
        """([T,] B, E) the weight gradient of each sample's own y(t) or J."""
        return self._of_targets(self._of_samples(self._backward.weight_gradient_per_sample()))

    @_once
    def bias_gradient_per_sample(self) -> FloatArray:
        """([T,] B, N) the bias gradient of each sample's own y(t) or J."""
        return self._of_targets(self._of_samples(self._backward.bias_gradient_per_sample()))

    def strongest_absent(self, places: Places, count: int | NDArray[np.integer]) -> AbsentArcs:
        """Of the places that hold no arc, those whose weight gradient ∂y(t)/∂w_ij = r_j·S(j⁻,t)·y(i), reduced over the
        batch, is largest in absolute value: where a new arc would lower the loss fastest (Evci et al. 2020).

        count : how many, or (P,) how many of each of `places.pairs`. There may be fewer.

        They come pair by pair if asked for so, the largest first; of equals the one with the lower head, then the lower
        tail. No array of all gradients is made. DataError for several targets or a wrong count.
        """
        if not self._one_target:
            raise DataError("absent arcs are those of one target, or of a loss; this pass has a list of targets")
        together = np.ndim(count) == 0
        wanted = np.atleast_1d(np.asarray(count))
        if wanted.dtype.kind not in "iu" or wanted.shape != ((1,) if together else (len(places.pairs),)):
            raise DataError(f"count must be a whole number, or one for each of the {len(places.pairs)} pairs of ranks")
        if wanted.min(initial=0) < 0:
            raise DataError(f"count must be at least 0, not {wanted.min()}")
        group = np.zeros(len(places.pairs), np.int32) if together else np.arange(len(places.pairs), dtype=np.int32)
        return self._backward.strongest_absent(places, group, wanted.astype(np.int64), self._divisor())

    def show(self) -> "AnyWidget":
        """The pass, step by step, as a widget in a notebook: forward, then back from the target or the loss.

        Raises DataError for several targets, and if the network has other parameters by now;
        MissingDependencyError without `edgewise[notebook]`.
        """
        from edgewise.view import scene, widget

        net = self._backward.network
        first = np.atleast_2d(self.value)[:1]
        if not np.allclose(net.forward(first[:, net.inputs]).value, first, rtol=1e-4, atol=1e-6, equal_nan=True):
            raise DataError("the network has other parameters by now than in this pass; run backprop again")
        return widget.show(scene.data(net, self))

    def __repr__(self) -> str:
        shape = np.shape(self.value)
        what = "" if self.loss is None else f", loss={self.loss:.6g}"
        return f"BackwardPass(value {shape}{what})"
