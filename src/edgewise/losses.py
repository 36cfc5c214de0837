"""The table of losses: J beside ∂J/∂output, per sample.

A loss reads the network's outputs o, shape (B, K), and the wanted y, and gives J of each sample, (B,), with its
gradient with respect to the outputs, (B, K). Softmax and the logistic function are part of the losses that need them
(the network's outputs are logits), which keeps both safe for logits of any size.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.arrays import FloatArray, all_finite
from edgewise.errors import DataError

ClassWeight = Mapping[int, float] | Sequence[float] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Loss:
    """One row of the table, or a loss of your own."""

    name: str
    value: Callable[[FloatArray, NDArray[Any]], FloatArray]
    """(o (B, K), y) -> J of each sample (B,)"""
    gradient: Callable[[FloatArray, NDArray[Any]], FloatArray]
    """(o (B, K), y) -> ∂J/∂o (B, K)"""
    labels: Literal["real", "index", "binary", "sign"] = "real"
    """What y holds: numbers like the outputs (B, K); class indices (B,); 0 to 1 each; or -1 and +1 each."""

    compiled: tuple[str, float] | None = None
    """The name of the row, and its parameter, as the native engine knows it; None for a loss of your own."""

    @property
    def kind(self) -> Literal["classification", "regression"]:
        return "regression" if self.labels == "real" else "classification"

    def check(self, y: ArrayLike, n_outputs: int, n_samples: int) -> NDArray[Any]:
        """y as the array this loss works on; DataError saying what is wrong with it."""
        try:
            array = np.asarray(y)
        except ValueError:
            raise DataError("y is ragged: give one row of the same length per sample") from None
        if array.dtype.kind not in "fiub":
            raise DataError(f"y has dtype {array.dtype}; {self.name} needs numbers")
        if self.labels == "index":
            return self._check_indices(array, n_outputs, n_samples)
        if array.ndim == 1 and n_outputs == 1 and len(array) == n_samples:
            array = array[:, None]
        elif n_samples == 1 and array.ndim <= 1 and array.size == n_outputs:
            array = array.reshape(1, n_outputs)
        if array.shape != (n_samples, n_outputs):
            raise DataError(
                f"y has shape {np.shape(y)}; {self.name} needs {(n_samples, n_outputs)}: one row per sample, "
                "one number per output"
            )
        if array.dtype.char not in "fd" or not array.flags.c_contiguous:
            array = np.ascontiguousarray(array, np.float64)
        if not all_finite(array):
            _refuse(~np.isfinite(array), array, "y", "is not a finite number")
        if self.labels == "binary":
            _refuse((array < 0) | (array > 1), array, "y", f"is outside [0, 1], where {self.name} needs it")
        elif self.labels == "sign":
            _refuse(np.abs(array) != 1, array, "y", f"is neither -1 nor +1, which {self.name} needs")
        return array

    def _check_indices(self, array: NDArray[Any], n_outputs: int, n_samples: int) -> NDArray[Any]:
        array = array.reshape(-1) if array.shape in ((), (n_samples, 1)) else array
        if array.shape != (n_samples,):
            raise DataError(f"y has shape {array.shape}; {self.name} needs one class index per sample, ({n_samples},)")
        with np.errstate(invalid="ignore"):
            labels = array.astype(np.int64)
        _refuse(labels != array, array, "y", "is not a whole number (a class index)")
        _refuse(
            (labels < 0) | (labels >= n_outputs),
            array,
            "y",
            f"is out of range: the network's {n_outputs} outputs stand for classes 0 to {n_outputs - 1}",
        )
        return labels

    def class_weights(self, weight: ClassWeight, y: NDArray[Any], n_outputs: int) -> FloatArray:
        """(B,) weight of each sample by its class, y as `check` returned it.

        weight: one number per class, or a mapping from class to number (classes left out weigh 1). Classes are 0 to
        K-1 for class indices; 0 and 1 for a binary loss with one output (0 standing for -1 where labels are signs).
        """
        if self.labels == "index":
            n_classes, index = n_outputs, y
        elif self.labels in ("binary", "sign") and n_outputs == 1 and np.isin(y, (-1, 0, 1)).all():
            n_classes, index = 2, (y[:, 0] > 0).astype(np.int64)
        else:
            raise DataError(f"class_weight needs one class per sample, which {self.name} with this y does not have")
        table = np.ones(n_classes)
        if isinstance(weight, Mapping):
            for label, number in weight.items():
                if not (isinstance(label, int | np.integer) and 0 <= label < n_classes):
                    raise DataError(f"class_weight names class {label!r}; classes are 0 to {n_classes - 1}")
                table[label] = number
        else:
            given = np.asarray(weight, np.float64)
            if given.shape != (n_classes,):
                raise DataError(f"class_weight has shape {given.shape}; {n_classes} classes need ({n_classes},)")
            table = given
        _refuse(~np.isfinite(table) | (table < 0), table, "class_weight", "is not a finite number ≥ 0")
        return table[index]


def _refuse(bad: NDArray[np.bool_], array: NDArray[Any], name: str, why: str) -> None:
    """DataError about the first entry of `array` that is bad, if any."""
    if bad.any():
        where = tuple(np.argwhere(bad)[0].tolist())
        raise DataError(f"{name}[{', '.join(map(str, where))}] = {array[where]} {why}")


def log_softmax(o: FloatArray) -> FloatArray:
    """(B, K) logarithms of the probabilities that cross-entropy takes (B, K) outputs for."""
    shifted = o - o.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(label_smoothing: float = 0.0) -> Loss:
    """-Σ_k q_k log p_k with p the softmax of the K outputs and q the label: 1 at class y, 0 elsewhere; smoothed, it
    keeps 1 - label_smoothing and each class has label_smoothing / K of it (Szegedy et al. 2016)."""
    if not 0 <= label_smoothing < 1:
        raise DataError(f"label_smoothing must be a number of at least 0 and below 1, not {label_smoothing}")
    sure = 1 - label_smoothing

    def value(o: FloatArray, y: NDArray[Any]) -> FloatArray:
        log_p = log_softmax(o)
        of_label = -log_p[np.arange(len(y)), y]
        if not label_smoothing:
            return of_label
        smoothed: FloatArray = sure * of_label - label_smoothing * log_p.mean(axis=1)
        return smoothed

    def gradient(o: FloatArray, y: NDArray[Any]) -> FloatArray:
        found: FloatArray = np.exp(log_softmax(o)) - label_smoothing / o.shape[1]
        found[np.arange(len(y)), y] -= sure
        return found

    return Loss("cross_entropy", value, gradient, "index", compiled=("cross_entropy", label_smoothing))


def _binary_cross_entropy(o: FloatArray, y: NDArray[Any]) -> FloatArray:
    # log(1 + e^o) - y·o, in the form that neither overflows nor cancels
    return (np.maximum(o, 0) - y * o + np.log1p(np.exp(-np.abs(o)))).sum(axis=1)


def _binary_cross_entropy_gradient(o: FloatArray, y: NDArray[Any]) -> FloatArray:
    e = np.exp(-np.abs(o))
    return np.where(o < 0, e, 1) / (1 + e) - y


def huber(delta: float = 1.0) -> Loss:
    """Σ over outputs of ½r² for |r| ≤ delta, else delta·(|r| - ½delta), with r = o - y (Huber 1964)."""
    if not (np.isfinite(delta) and delta > 0):
        raise DataError(f"huber's delta must be a number > 0, not {delta}")

    def value(o: FloatArray, y: NDArray[Any]) -> FloatArray:
        r = np.abs(o - y)
        return np.where(r <= delta, 0.5 * r * r, delta * (r - 0.5 * delta)).sum(axis=1)

    return Loss("huber", value, lambda o, y: np.clip(o - y, -delta, delta), compiled=("huber", delta))


_TABLE = {
    row.name: replace(row, compiled=row.compiled or (row.name, 0.0))
    for row in (
        Loss("squared_error", lambda o, y: 0.5 * ((o - y) ** 2).sum(axis=1), lambda o, y: o - y),
        Loss(
            "mean_squared_error",
            lambda o, y: ((o - y) ** 2).mean(axis=1),
            lambda o, y: 2 / o.shape[1] * (o - y),
        ),
        cross_entropy(),
        Loss("binary_cross_entropy", _binary_cross_entropy, _binary_cross_entropy_gradient, "binary"),
        # at margin 1, the kink, the gradient is 0
        Loss(
            "hinge",
            lambda o, y: np.maximum(1 - y * o, 0).sum(axis=1),
            lambda o, y: np.where(y * o < 1, -y, 0.0),
            "sign",
        ),
        huber(),
    )
}

NAMES: tuple[str, ...] = tuple(_TABLE)


def get(loss: str | Loss) -> Loss:
    """The row called `loss`, or `loss` itself if it is a Loss; DataError listing the names if there is none."""
    if isinstance(loss, Loss):
        return loss
    try:
        return _TABLE[loss]
    except (KeyError, TypeError):
        raise DataError(f"unknown loss {loss!r}; use one of {', '.join(_TABLE)}, or an edgewise.Loss") from None
