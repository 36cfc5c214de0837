"""What is to be learnt: classes or numbers, what they are called, and what a loss and a network make of them."""

from collections.abc import Callable, Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.data.tables import Column, refuse_missing
from edgewise.errors import DataError
from edgewise.losses import Loss

Task = Literal["classification", "regression"]

MAX_GUESSED_CLASSES = 20
"""A target of whole numbers with at most this many different ones is taken for classes."""


def decide_task(target: Column, requested: Task | None = None) -> Task:
    """Classification if the target holds words, truth values or few whole numbers; `requested` overrules that."""
    check_task(target, requested)
    if requested is not None:
        return requested
    known = target.values[~target.missing]
    if target.kind != "number":
        return "classification"
    return "classification" if look_like_classes(np.unique(known), len(known)) else "regression"


def check_task(target: Column, requested: Task | None) -> None:
    """DataError if the target holds words, and numbers are to be learnt."""
    if requested == "regression" and not target.numeric:
        word = next(iter(target.values[~target.missing]), "")
        raise DataError(
            f"the target {target.name!r} holds words ({word!r}, …): regression needs numbers{target.remark}"
        )


def look_like_classes(distinct: FloatArray, n_rows: int) -> bool:
    """Whether so many rows, with these different numbers in them, are taken for classes."""
    few = len(distinct) <= min(MAX_GUESSED_CLASSES, max(2, n_rows // 5))
    return few and bool((distinct == np.round(distinct)).all())


def class_words(target: Column, rows: NDArray[Any] | None = None) -> NDArray[Any]:
    """(B,) what the classes of these rows, of all if None, are called, each a str; DataError for a missing one."""
    rows = np.arange(len(target.values)) if rows is None else rows
    refuse_missing(target, rows, "a row without target must be removed")
    values = target.values[rows]
    if target.kind == "word":
        return values
    if target.kind == "truth":
        return np.where(values != 0, "true", "false").astype(object)
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([class_word(value) for value in distinct.tolist()], dtype=object)[place]


def class_word(value: float) -> str:
    """What a class that is a number is called."""
    return str(int(value)) if value == round(value) else repr(value)


def class_order(target: Column) -> Callable[[str], Any]:
    """The key by which class words are sorted."""
    return float if target.kind == "number" else str


def class_labels(target: Column) -> NDArray[Any]:
    """(B,) the class of each row as a str; DataError for a missing one or too many or too few classes."""
    labels = class_words(target)
    check_classes(target.name, set(labels.tolist()), len(labels))
    return labels


def check_classes(target: str, classes: Collection[str], n_rows: int) -> None:
    """DataError if these are too many or too few to be the classes of so many rows."""
    if len(classes) == 1:
        word = next(iter(classes))
        raise DataError(f"the target {target!r} has one class only, {word!r}: there is nothing to tell apart")
    if len(classes) > n_rows // 2:
        raise DataError(
            f"the target {target!r} has {len(classes)} different values in {n_rows} rows: too many for classes; "
            "if it is a quantity, use --task regression"
        )


def encode_target(loss: Loss, classes: int | None, labels: NDArray[Any], n_outputs: int) -> NDArray[Any]:
    """What `loss` wants as y, from class indices (`classes` many) or, with classes None, from numbers (B,).

    Class indices stay; for a loss on 0/1 or -1/+1 two classes fit one output, others have an output each.
    """
    if classes is None:
        return labels[:, None]
    if loss.labels == "index":
        return labels
    low = -1.0 if loss.labels == "sign" else 0.0
    if classes == 2 and n_outputs == 1:
        return np.where(labels == 1, 1.0, low)[:, None]
    y = np.full((len(labels), classes), low)
    y[np.arange(len(labels)), labels] = 1
    return y


def outputs_needed(loss: Loss, classes: int | None) -> tuple[int, ...]:
    """Numbers of outputs a network may have for this loss; the first is what a new network gets."""
    if classes is None:
        return (1,)
    if classes == 2 and loss.labels in ("binary", "sign"):
        return (1, 2)
    return (classes,)


def predicted_classes(output: FloatArray) -> NDArray[Any]:
    """(B,) the class each row of outputs stands for: the largest, or for one output whether it is above 0."""
    if output.shape[1] == 1:
        return (output[:, 0] > 0).astype(np.int64)
    return output.argmax(axis=1)
