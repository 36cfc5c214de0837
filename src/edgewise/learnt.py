"""What is to be learnt of a file before it is trained on: summed up of some rows, then put together.

Sums of pieces, added up in the order of the file, have the same bits whoever made them.
"""

from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import data
from edgewise.data import Column, Task
from edgewise.errors import DataError


@dataclass(slots=True)
class Learnt:
    """What is learnt of some rows: of each feature, and of the target."""

    features: list[data.FeatureSummary]
    target: "TargetSummary"

    def merge(self, other: "Learnt") -> None:
        """What is learnt of rows that come later in the file."""
        for mine, theirs in zip(self.features, other.features, strict=True):
            mine.merge(theirs)
        self.target.merge(other.target)

    def to_plain(self) -> list[Any]:
        """Plain data for JSON; `from_plain` is its inverse."""
        features = [
            [f.name, f.impute, f.rows, astuple(f.moments), None if f.words is None else [*f.words.items()], f.remark]
            for f in self.features
        ]
        target = self.target
        counts = [*target.learnt.items()], [*target.held_out.items()]
        numbers = [target.rows, astuple(target.moments), target.least, target.most, *counts, target.few, target.remark]
        return [features, [target.name, target.kind, *numbers]]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> "Learnt":
        features, (name, kind, rows, moments, least, most, learnt, held_out, few, remark) = plain
        return cls(
            [
                data.FeatureSummary(
                    name, impute, rows, data.Moments(*moments), None if words is None else Counter(dict(words)), remark
                )
                for name, impute, rows, moments, words, remark in features
            ],
            TargetSummary(
                name,
                kind,
                rows,
                data.Moments(*moments),
                least,
                most,
                Counter(dict(learnt)),
                dict(held_out),
                few,
                remark,
            ),
        )


@dataclass(slots=True)
class TargetSummary:
    """What is learnt of the column to predict, and what decides whether it holds classes or numbers."""

    name: str
    kind: str
    rows: int = 0
    moments: data.Moments = field(default_factory=data.Moments)
    least: float = np.inf
    most: float = -np.inf
    learnt: Counter[Any] = field(default_factory=Counter)
    """Of each value, in how many training rows it is."""
    held_out: dict[Any, int] = field(default_factory=dict)
    """Of each value in another row, the first such row."""
    few: bool = True
    """Whether there are so few different values that they are counted; none is kept where there are more."""
    remark: str = ""

    def add(self, column: Column, training: NDArray[np.bool_]) -> None:
        """Some rows, and which of them are learnt from."""
        missing = np.flatnonzero(column.missing)[:1]
        data.refuse_missing(column, missing, "a row without target must be removed")
        self.rows += len(training)
        self.remark = column.remark
        known = column.values[training]
        if column.numeric and len(known):
            self.moments.add(known)
            self.least, self.most = min(self.least, float(known.min())), max(self.most, float(known.max()))
        if not self.few:
            return
        self.learnt.update(known.tolist())
        elsewhere = np.flatnonzero(~training)
        for value, row in zip(column.values[elsewhere].tolist(), elsewhere.tolist(), strict=True):
            self.held_out.setdefault(value, column.first_row + row + 1)
        self._count()

    def merge(self, other: "TargetSummary") -> None:
        """Rows that come later in the file."""
        self.rows += other.rows
        self.remark = other.remark
        self.moments.merge(other.moments)
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        self.learnt.update(other.learnt)
        for value, row in other.held_out.items():
            self.held_out.setdefault(value, row)
        self.few &= other.few
        self._count()

    def _count(self) -> None:
        self.few &= len(self.learnt.keys() | self.held_out.keys()) <= data.MAX_CATEGORIES
        if not self.few:
            self.learnt.clear()
            self.held_out.clear()

    def task(self, requested: Task | None) -> Task:
        if requested is not None:
            return requested
        if self.kind != "number":
            return "classification"
        distinct = np.array(list(self.learnt.keys() | self.held_out.keys()))
        return "classification" if self.few and data.look_like_classes(distinct, self.rows) else "regression"

    def classes(self) -> dict[str, int]:
        """The classes in their order, and in how many training rows each is; DataError if they are none."""
        if not self.few:
            raise DataError(
                f"the target {self.name!r} has more than {data.MAX_CATEGORIES} different values: too many for classes"
                + ("; if it is a quantity, use --task regression" if self.kind == "number" else self.remark)
            )
        values = sorted(self.learnt.keys() | self.held_out.keys())
        words = {value: self._word(value) for value in values}
        data.check_classes(self.name, list(words.values()), self.rows)
        for value, row in self.held_out.items():
            if value not in self.learnt:
                raise DataError(
                    f"column {self.name!r}, row {row}: the class {words[value]!r} is in no row of the training part, "
                    "only in rows held out; remove those rows, or try another seed"
                )
        return {words[value]: self.learnt[value] for value in values}

    def _word(self, value: Any) -> str:
        if self.kind == "word":
            return str(value)
        return ("true" if value else "false") if self.kind == "truth" else data.class_word(value)
