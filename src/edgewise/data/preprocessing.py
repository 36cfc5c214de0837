"""How rows of a table become numbers for a network, as learnt from the training part alone.

Nothing is learnt from other rows: means, scales, categories and fill-ins come from there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.data.moments import Moments
from edgewise.data.tables import MIN_ROWS, Column, Table, is_number, listed, refuse_missing
from edgewise.data.targets import Task, class_labels, class_order, class_words
from edgewise.errors import DataError, FormatError

MAX_CATEGORIES = 1000
"""More different words than this in one column are taken for an identifier, not for categories."""


@dataclass(frozen=True, slots=True)
class NumericFeature:
    """(v - mean) / scale; the scale of a constant column is 1."""

    name: str
    mean: float
    scale: float
    fill: float | None
    """Stands in for a missing value; None: a missing value is an error."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class CategoricalFeature:
    """One 0/1 input per category; a category not seen in training is all zeros."""

    name: str
    categories: tuple[str, ...]
    fill: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}={category}" for category in self.categories)


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """Classes, known by their place in this order."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberTarget:
    """The network learns (v - mean) / scale."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How rows of a table become numbers for a network, as learnt from the training part."""

    features: tuple[NumericFeature | CategoricalFeature, ...]
    target: ClassTarget | NumberTarget

    @property
    def input_names(self) -> tuple[str, ...]:
        """What each input of the network stands for."""
        return tuple(name for feature in self.features for name in feature.names)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of their indices; None for a target of numbers."""
        return self.target.classes if isinstance(self.target, ClassTarget) else None

    @classmethod
    def learn(cls, table: Table, rows: NDArray[Any], task: Task, *, impute: bool = False) -> "Preprocessing":
        """Learn from these rows of the table. DataError naming column and row for a missing value, unless `impute`."""
        features = tuple(_learn_feature(column, rows, impute) for column in table.features)
        target = table.target
        if task == "classification":
            seen = set(class_labels(target)[rows].tolist())
            return cls(features, ClassTarget(target.name, tuple(sorted(seen, key=class_order(target)))))
        refuse_missing(target, np.arange(table.n_rows), "a row without target must be removed")
        moments = Moments()
        moments.add(target.values[rows])
        mean, scale = moments.mean_and_scale()
        if np.ptp(target.values[rows] / max(1.0, float(np.abs(target.values[rows]).max()))) == 0:
            raise DataError(f"the target {target.name!r} is {target.values[rows[0]]} in every row: nothing to learn")
        return cls(features, NumberTarget(target.name, mean, scale))

    def inputs(self, columns: Sequence[Column], rows: NDArray[Any] | None = None) -> FloatArray:
        """(B, n_inputs) float64 from columns that include all features, found by name."""
        by_name = {column.name: column for column in columns}
        parts = []
        for feature in self.features:
            if feature.name not in by_name:
                raise DataError(f"there is no column {feature.name!r}; columns: {listed(list(by_name))}")
            column = by_name[feature.name]
            parts.append(_apply(feature, column, np.arange(len(column.values)) if rows is None else rows))
        return np.concatenate(parts, axis=1)

    def labels(self, target: Column, rows: NDArray[Any]) -> NDArray[Any]:
        """(B,) class indices, or standardised numbers."""
        if isinstance(self.target, NumberTarget):
            numbers: NDArray[Any] = _standardised(
                target.values[rows].astype(np.float64), self.target.mean, self.target.scale
            )
            return numbers
        labels = class_words(target, rows)
        found = places(labels, self.target.classes)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            raise DataError(
                f"column {target.name!r}, row {target.first_row + rows[unknown[0]] + 1}: the class "
                f"{labels[unknown[0]]!r} is not one of those learnt: {listed(self.target.classes)}"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` is its inverse."""
        features: list[dict[str, Any]] = []
        for feature in self.features:
            if isinstance(feature, NumericFeature):
                scaling = {"mean": feature.mean, "scale": feature.scale}
                features.append({"name": feature.name, "kind": "number", **scaling, "fill": feature.fill})
            else:
                words = {"categories": list(feature.categories), "fill": feature.fill}
                features.append({"name": feature.name, "kind": "category", **words})
        target: dict[str, Any] = {"name": self.target.name}
        if isinstance(self.target, ClassTarget):
            target |= {"kind": "class", "classes": list(self.target.classes)}
        else:
            target |= {"kind": "number", "mean": self.target.mean, "scale": self.target.scale}
        return {"format": "edgewise-preprocessing", "version": 1, "features": features, "target": target}

    @classmethod
    def from_dict(cls, content: Any) -> "Preprocessing":
        """The inverse of `to_dict`; FormatError if `content` is something else."""
        try:
            if content["format"] != "edgewise-preprocessing" or content["version"] != 1:
                raise ValueError("it is not edgewise-preprocessing, version 1")
            features = tuple(_feature_from_dict(feature) for feature in content["features"])
            target = content["target"]
            if target["kind"] == "class":
                known = ClassTarget(_word(target["name"]), tuple(map(_word, target["classes"])))
                return cls(features, known)
            return cls(features, NumberTarget(_word(target["name"]), _finite(target["mean"]), _scale(target["scale"])))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"this is no preprocessing file: {reason}") from None


@dataclass(slots=True)
class FeatureSummary:
    """All that is learnt of one column, from rows that may come in pieces."""

    name: str
    impute: bool
    rows: int = 0
    """Those with a value."""
    moments: Moments = field(default_factory=Moments)
    words: Counter[str] | None = None
    remark: str = ""

    def add(self, column: Column, rows: NDArray[Any]) -> None:
        """These rows of (a piece of) the column; DataError for a missing value in any row, unless `impute`."""
        if not self.impute:
            every = np.arange(len(column.values))
            refuse_missing(column, every, "fill it in, remove the row, or ask for --impute")
        known = column.values[rows[~column.missing[rows]]]
        self.rows += len(known)
        if column.numeric:
            self.moments.add(known)
            return
        self.words = Counter() if self.words is None else self.words
        self.words.update(known.tolist())
        self.remark = column.remark
        self._check_words()

    def merge(self, other: "FeatureSummary") -> None:
        """What is learnt of other rows of the column too."""
        self.rows += other.rows
        self.moments.merge(other.moments)
        if other.words is not None:
            self.words = Counter(self.words)
            self.words.update(other.words)
            self.remark = other.remark
            self._check_words()

    def _check_words(self) -> None:
        if self.words is not None and len(self.words) > MAX_CATEGORIES:
            self._refuse_identifier(self.words)

    def feature(self) -> NumericFeature | CategoricalFeature:
        """What was learnt."""
        if not self.rows:
            raise DataError(f"column {self.name!r} has no value in the rows to learn from; remove it")
        if self.words is None:
            mean, scale = self.moments.mean_and_scale()
            return NumericFeature(self.name, mean, scale, mean if self.impute else None)
        if len(self.words) == self.rows > MIN_ROWS:
            self._refuse_identifier(self.words)
        categories = tuple(sorted(self.words))
        fill = max(categories, key=self.words.__getitem__) if self.impute else None
        return CategoricalFeature(self.name, categories, fill)

    def _refuse_identifier(self, words: Counter[str]) -> None:
        raise DataError(
            f"column {self.name!r} has {len(words)} different words in {self.rows} rows: it looks like an "
            f"identifier, from which nothing can be learnt; remove it{self.remark}"
        )


def _learn_feature(column: Column, rows: NDArray[Any], impute: bool) -> NumericFeature | CategoricalFeature:
    summary = FeatureSummary(column.name, impute)
    summary.add(column, rows)
    return summary.feature()


def places(words: NDArray[Any], known: Sequence[str]) -> NDArray[np.int64]:
    """(B,) where each word stands among those known; -1 for one that does not."""
    place = {word: k for k, word in enumerate(known)}
    return np.array([place.get(word, -1) for word in words.tolist()], dtype=np.int64)


def _apply(feature: NumericFeature | CategoricalFeature, column: Column, rows: NDArray[Any]) -> FloatArray:
    if feature.fill is None:
        refuse_missing(column, rows, "fill it in, remove the row, or train with --impute")
    values, missing = column.values[rows], column.missing[rows]
    if isinstance(feature, NumericFeature):
        if not column.numeric:
            if column.odd is not None:
                raise DataError(f"column {feature.name!r} holds words where numbers were learnt from{column.remark}")
            k = next((k for k, word in enumerate(values.tolist()) if word is not None and not is_number(word)), 0)
            raise DataError(
                f"column {feature.name!r} holds words where numbers were learnt from: {values[k]!r} in row "
                f"{column.first_row + rows[k] + 1}"
            )
        numbers = np.where(missing, 0.0 if feature.fill is None else feature.fill, values.astype(np.float64))
        standardised = _standardised(numbers, feature.mean, feature.scale)
        # float32 is what networks are trained in
        bad = np.flatnonzero(~(np.abs(standardised) < np.finfo(np.float32).max))
        if len(bad):
            raise DataError(
                f"column {feature.name!r}, row {column.first_row + rows[bad[0]] + 1}: {numbers[bad[0]]:g} is too far "
                f"from the mean {feature.mean:g} of the training part to be standardised"
            )
        return standardised[:, None]
    if column.numeric:
        raise DataError(f"column {feature.name!r} holds numbers where words were learnt from")
    words = values.copy()
    words[missing] = feature.fill
    found = places(words, feature.categories)
    seen = np.flatnonzero(found >= 0)
    inputs = np.zeros((len(words), len(feature.categories)))
    inputs[seen, found[seen]] = 1
    return inputs


# ---- plain data back into features ----


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} should be a string")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= np.finfo(np.float64).max:
        raise ValueError(f"{value!r} should be a finite number")
    return float(value)


def _scale(value: Any) -> float:
    if _finite(value) <= 0:
        raise ValueError(f"the scale {value!r} should be positive")
    return float(value)


def _feature_from_dict(content: Any) -> NumericFeature | CategoricalFeature:
    name, fill = _word(content["name"]), content["fill"]
    if content["kind"] == "number":
        number = None if fill is None else _finite(fill)
        return NumericFeature(name, _finite(content["mean"]), _scale(content["scale"]), number)
    if content["kind"] != "category":
        raise ValueError(f"the kind {content['kind']!r} of {name!r} is neither number nor category")
    return CategoricalFeature(name, tuple(map(_word, content["categories"])), None if fill is None else _word(fill))


def _standardised(values: FloatArray, mean: float, scale: float) -> FloatArray:
    """(v - mean) / scale, also where the difference alone would overflow."""
    with np.errstate(all="ignore"):
        found: FloatArray = (values - mean) / scale
        if np.isfinite(found).all():
            return found
        return np.where(np.isfinite(found), found, (values / 2 - mean / 2) / (scale / 2))
