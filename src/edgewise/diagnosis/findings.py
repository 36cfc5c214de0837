"""What a network's numbers say is wrong: each finding from the signals of one batch, with evidence and cause.

A finding says what was measured and no more. Words are in `edgewise.diagnosis.prose`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.diagnosis import prose
from edgewise.diagnosis.budget import Row, together
from edgewise.diagnosis.signals import Bools, Recurrence, Signals

Cause = Literal["gates", "weights", "interference", "data", "structure", "unknown"]
Severity = Literal["error", "warning", "note"]

FADED_DB = 40.0
"""A step along the gradient lowers the loss by η·Σ‖∂J/∂w‖², each level's share being its own sum of squares. A level
whose sensitivities lie 40 dB below another's has a ten-thousandth of its share: with one learning rate it stands still.
"""
SCALES = 100.0
"""40 dB again: gradients of the weights on inputs of so different a size differ as much."""
BEYOND_SPREAD = 2.0
"""A total is only told apart from chance if it is so many times what units of one level differ by."""
FAR_FROM_CHANCE = 10.0
"""A squared error ten times that of the best constant means outputs that are off by three standard deviations."""
MOSTLY, NEARLY_ALL, HALF = 0.95, 0.9, 0.5
UNEVEN = 4.0
"""A unit is a bottleneck if half of all passes through it and that is so many times its fair share of its level."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or is as it should not stay."""

    code: str
    cause: Cause
    severity: Severity
    """error: it does not learn like this; warning: it learns less than it could; note: good to know"""
    levels: tuple[int, ...]
    """d(i) of where it is"""
    nodes: tuple[int, ...]
    evidence: Mapping[str, float | str]
    """the numbers it rests on"""

    @property
    def says(self) -> str:
        """One sentence with the finding's own numbers."""
        return prose.says(self.code, self.evidence)

    @property
    def remedy(self) -> str:
        """What may help; what was tried is in `Report.trials`."""
        return prose.remedy(self.code, self.cause)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is infinite, as a word."""
        evidence = {
            name: number if isinstance(number, str) or np.isfinite(number) else str(number)
            for name, number in self.evidence.items()
        }
        return asdict(self) | {"evidence": evidence, "says": self.says, "remedy": self.remedy}


def find(signals: Signals) -> tuple[Finding, ...]:
    """All findings, errors first, and of equally severe ones what comes first in a chain of causes; where numbers are
    none, these alone."""
    if signals.broken is not None:
        return tuple(_not_finite(signals))
    found = [finding for look in _LOOKS for finding in look(signals)]
    return tuple(sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.severity)))


def _at(signals: Signals, units: Bools) -> dict[str, Any]:
    """Where these units are, as a finding has it."""
    levels = np.unique(signals.level[units])
    return {"levels": tuple(levels[levels >= 0].tolist()), "nodes": tuple(np.flatnonzero(units).tolist())}


def _not_finite(signals: Signals) -> Iterator[Finding]:
    assert signals.broken is not None
    broken, unit = signals.broken, np.zeros(len(signals.level), np.bool_)
    unit[broken.unit] = True
    evidence: dict[str, float | str] = {"node": signals.names[broken.unit], "samples": broken.n_samples}
    code = f"not_finite_{broken.what}"
    yield Finding(code, broken.cause, "error", **_at(signals, unit), evidence=evidence)


# ---- data ----


def _mismatch(signals: Signals) -> Iterator[Finding]:
    """Outputs that cannot be what the loss reads, or what the targets ask for."""
    if signals.mismatch is not None:
        cause: Cause = "data" if signals.mismatch.startswith("targets") else "structure"
        yield Finding("output_mismatch", cause, "error", (0,), (), {"why": signals.mismatch})


def _scales(signals: Signals) -> Iterator[Finding]:
    """Inputs of very different size, far from size 1 all together, or far from 0 beside what they differ by."""
    inputs = signals.is_input & signals.varies
    size = signals.size[inputs]
    if not len(size):
        return
    evidence = {
        "largest": float(size.max()),
        "smallest": float(size.min()),
        "offset": float(signals.offset[inputs].max()),
    }
    apart = size.max() >= SCALES * size.min()
    if apart or size.min() >= SCALES or size.max() <= 1 / SCALES or evidence["offset"] >= SCALES:
        yield Finding("input_scales", "data", "error", **_at(signals, inputs), evidence=evidence)


def _constant_inputs(signals: Signals) -> Iterator[Finding]:
    inputs = signals.is_input & ~signals.varies & (signals.level >= 0)
    if inputs.any() and signals.n_samples > 1:
        yield Finding("constant_inputs", "data", "note", **_at(signals, inputs), evidence={"inputs": int(inputs.sum())})


# ---- weights ----


def _zero(signals: Signals) -> Iterator[Finding]:
    """Units all of whose in-arcs have weight 0: they do not hear their inputs, and these do not learn through them."""
    deaf = (signals.fan_in == 0) & (signals.level >= 0)
    if deaf.any():
        yield _of_units(signals, "zero_weights", "weights", deaf, {"units": int(deaf.sum())})


def _frozen(signals: Signals) -> Iterator[Finding]:
    if signals.frozen is not None and signals.frozen.any():
        levels = tuple(np.flatnonzero(signals.frozen).tolist())
        yield Finding("frozen_weights", "structure", "warning", levels, (), {"levels": len(levels)})


def _twins(signals: Signals) -> Iterator[Finding]:
    """Units with the same values and the same sensitivities on every sample: their weights will stay equal."""
    able = signals.hidden & signals.open & signals.varies
    _, group, count = np.unique(np.where(able, signals.twin, -1), return_inverse=True, return_counts=True)
    twins = able & (count[group.reshape(-1)] > 1)
    if twins.any():
        evidence = {"units": int(twins.sum()), "different": len(np.unique(signals.twin[twins]))}
        yield _of_units(signals, "symmetric_units", "weights", twins, evidence)


# ---- gates ----


def _dead(signals: Signals) -> Iterator[Finding]:
    """Gates that are 0 on every sample, although what arrives there varies: nothing that leads there learns."""
    dead = signals.hidden & ~signals.open & signals.stirred
    if dead.any():
        evidence = {"units": int(dead.sum()), "share": _share(signals, dead), "samples": signals.n_samples}
        yield _of_units(signals, "dead_units", "gates", dead, evidence)


def _saturated(signals: Signals) -> Iterator[Finding]:
    """Gates that are nearly closed: on most samples where sums of either sign close them, else on nearly all, and then
    only if that is so of half a level: units that seldom open are what rectifiers are for."""
    often = signals.closed >= np.where(signals.squashing, HALF, MOSTLY)
    saturated = signals.hidden & signals.open & signals.stirred & often
    if saturated.any() and (signals.squashing[saturated].any() or _share(signals, saturated) >= HALF):
        evidence = {
            "units": int(saturated.sum()),
            "share": _share(signals, saturated),
            "closed": float(signals.closed[saturated].mean()),
        }
        yield _of_units(signals, "saturated_units", "gates", saturated, evidence)


def _share(signals: Signals, units: Bools) -> float:
    """The largest share that they are of a level's units."""
    return max(float(units[signals.level == level].mean()) for level in np.unique(signals.level[units]).tolist())


def _of_units(signals: Signals, code: str, cause: Cause, units: Bools, evidence: dict[str, Any]) -> Finding:
    """As severe as the worst level is, and there where it is so."""
    shares = {level: float(units[signals.level == level].mean()) for level in np.unique(signals.level[units]).tolist()}
    worst = max(shares.values())
    severity: Severity = "error" if worst >= NEARLY_ALL else "warning" if worst >= HALF else "note"
    least = HALF if worst >= HALF else 0
    return Finding(
        code,
        cause,
        severity,
        tuple(level for level, share in shares.items() if share >= least),
        tuple(np.flatnonzero(units).tolist()),
        evidence,
    )


def _constant_units(signals: Signals) -> Iterator[Finding]:
    """Units that say the same of every sample, although what arrives there varies and their gate is open."""
    units = signals.hidden & ~signals.varies & signals.stirred & signals.open
    if units.any() and signals.n_samples > 1:
        yield _of_units(signals, "constant_units", "weights", units, {"units": int(units.sum())})


# ---- the gradient as a whole ----


def _gradient(signals: Signals) -> Iterator[Finding]:
    """From the loss's own level to the last one: does it vanish, or explode, and through what?"""
    others = signals.rows[1:]
    whole = together(others)
    parts = {name: float(getattr(whole, f"{name}_db")) for name in ("weights", "gates", "interference")}
    total = whole.total_db
    if np.isnan(total) or abs(total) < max(FADED_DB, BEYOND_SPREAD * signals.spread_db):
        return
    code, sign = ("vanishing_gradient", 1) if total < 0 else ("exploding_gradient", -1)
    if _all_learn(signals, sign):
        return
    part = min(parts, key=lambda name: sign * parts[name])
    size = -_lasting(-sign * np.array([getattr(row, f"{part}_db") for row in others]))
    cause: Any = part
    worst = size <= size.min() / 2
    alone = _without_way_past(signals, others, size)
    if sign > 0 and alone is not None:
        cause, worst = "structure", alone
    elif part == "interference" and signals.mixed is not None:
        cause = _of_mixed(signals, others, size, sign)
    levels = tuple(row.level for row, is_worst in zip(others, worst, strict=True) if is_worst)
    evidence = {f"{name}_db": decibels for name, decibels in parts.items()}
    evidence |= {"total_db": total, "spread_db": signals.spread_db}
    yield Finding(code, cause, "error", levels, (), evidence)


def _all_learn(signals: Signals, sign: int) -> bool:
    """Whether the weights' own gradients keep their size, although what is neither weights nor gates makes those of
    single values smaller or larger: a step of many has little of a gradient that the weights of all steps add up."""
    if signals.mixed is None or signals.learning is None or not signals.mixed.any():
        return False
    learning = signals.learning[np.isfinite(signals.learning) & (signals.learning > 0)]
    if not len(learning) or (signals.learning == 0).any():
        return False
    apart = 20 * np.log10(learning[-1] / (learning.max() if sign > 0 else learning.min()))
    return bool(-sign * apart < FADED_DB)


def _of_mixed(signals: Signals, rows: tuple[Row, ...], size: FloatArray, sign: int) -> Cause:
    """The cause where what is neither weights nor gates does most of it: what it is from step to step, if it is so
    there too, else the structure."""
    assert signals.mixed is not None
    mixed = signals.mixed[[row.level for row in rows]]
    if not mixed.any() or size[mixed].sum() > HALF * np.minimum(size, 0).sum():
        return "interference"
    for found in signals.recurrences:
        cause = _cause_over_time(found)
        if cause is not None and sign * together(found.rows).total_db < 0:
            return cause
    return "structure"


def _cause_over_time(found: Recurrence) -> Cause | None:
    """What the gradient fades or grows by from step to step, or None if it does neither."""
    whole = together(found.rows)
    if np.isnan(whole.total_db) or abs(whole.total_db) < FADED_DB:
        return None
    parts: dict[Cause, float] = {
        "weights": whole.weights_db,
        "gates": whole.gates_db,
        "interference": whole.interference_db,
    }
    return min(parts, key=lambda name: parts[name] * (1 if whole.total_db < 0 else -1))


def _over_time(signals: Signals) -> Iterator[Finding]:
    """Of recurrent layers, from the last step that is read back to the first: does the gradient last?"""
    for found in signals.recurrences:
        if found.read == 1 and found.steps > 1:
            evidence: dict[str, float | str] = {"layer": found.name, "unread": found.steps - 1}
            yield Finding("unread_steps", "structure", "warning", (found.level,), (), evidence)
        cause = _cause_over_time(found)
        if cause is None:
            continue
        whole, reach = together(found.rows), found.reach(FADED_DB)
        parts = {f"{name}_db": float(getattr(whole, f"{name}_db")) for name in ("weights", "gates", "interference")}
        evidence = {"layer": found.name, "steps": found.read - 1, "reach": reach, **parts, "total_db": whole.total_db}
        evidence |= {"step_db": whole.total_db / len(found.rows)}
        fades = whole.total_db < 0
        code, severity = ("vanishing_over_time", "warning") if fades else ("exploding_over_time", "error")
        yield Finding(code, cause, severity, (found.level,), (), evidence)  # type: ignore[arg-type]


def _lasting(falls: FloatArray) -> FloatArray:
    """(rows,) how far each row falls for good: what a later row makes up for, as an arc past it does, is no fall."""
    if np.isposinf(falls).any() and np.isneginf(falls).any():  # what loses everything, and an arc past it
        falls = np.where(np.isinf(falls), 0, falls)
    reached = np.append(0.0, -np.cumsum(falls))
    best_yet_to_come = np.maximum.accumulate(reached[::-1])[::-1]
    with np.errstate(invalid="ignore"):  # nothing less nothing
        lasting: FloatArray = -np.diff(best_yet_to_come)
    return np.where(np.isnan(lasting), 0, lasting)


def _without_way_past(signals: Signals, rows: tuple[Row, ...], size: FloatArray) -> Bools | None:
    """Where it falls, if most of that is at the few levels that no arc leads past, while one does past most others."""
    if signals.passed_over is None:
        return None
    past = signals.passed_over[[row.level for row in rows]]
    if past.mean() <= HALF or past.all():
        return None
    alone: Bools = ~past & (size <= size[~past].min() / 2)
    return alone if size[alone].sum() <= HALF * np.minimum(size, 0).sum() else None


def _chance(signals: Signals) -> Iterator[Finding]:
    """A loss far above that of outputs that look at nothing: the outputs first have to become smaller, or larger."""
    start = signals.start
    if start is None or not start.loss >= FAR_FROM_CHANCE * start.chance > 0:
        return
    cause: Cause = "data" if start.targets is not None and start.targets >= start.outputs else "weights"
    evidence = {"loss": start.loss, "chance": start.chance, "outputs": start.outputs}
    if start.targets is not None:
        evidence["targets"] = start.targets
    yield Finding("loss_far_from_chance", cause, "warning", (0,), (), evidence)


# ---- structure ----


def _bottleneck(signals: Signals) -> Iterator[Finding]:
    """A unit through which most of the gradient passes, although its level has others, or its neighbours' have."""
    if signals.share is None:
        return
    width = np.bincount(np.maximum(signals.level, 0)[signals.level >= 0])
    beside = np.maximum(np.append(width[1:], 0), np.append(0, width[:-1]))[np.maximum(signals.level, 0)]
    room = np.maximum(width[np.maximum(signals.level, 0)], beside)
    narrow = signals.hidden & (signals.share > HALF) & (signals.share * room >= UNEVEN)
    if narrow.any():
        alone = bool((width[signals.level[narrow]] == 1).all())
        evidence = {"share": float(signals.share[narrow].max()), "units": int(narrow.sum())}
        severity: Severity = "note" if alone else "warning"
        yield Finding("bottleneck", "structure", severity, **_at(signals, narrow), evidence=evidence)


def _unreached(signals: Signals) -> Iterator[Finding]:
    """Neurons from which no path leads to the target, and those that none reaches from an input."""
    blind = ~signals.is_input & (signals.level < 0)
    if blind.any():
        nodes = tuple(np.flatnonzero(blind).tolist())
        yield Finding("no_path_to_target", "structure", "warning", (), nodes, {"units": len(nodes)})
    if signals.fed is None:
        return
    unfed = ~signals.fed & (signals.level >= 0)
    if unfed.any():
        evidence = {"units": int(unfed.sum())}
        yield Finding("no_path_from_inputs", "structure", "warning", **_at(signals, unfed), evidence=evidence)


def units_died(signals: Signals, died: Bools, since: NDArray[np.int64]) -> Finding:
    """Of a run that was watched: units (N,) that were open and have not been since these steps (N,)."""
    shares = {k: float(died[signals.level == k].mean()) for k in np.unique(signals.level[died]).tolist()}
    worst = max(shares.values())
    severity: Severity = "error" if worst >= NEARLY_ALL else "warning" if worst >= HALF else "note"
    levels = tuple(k for k, share in shares.items() if worst < HALF or share >= HALF)
    nodes = np.flatnonzero(died & np.isin(signals.level, levels))
    steps = since[died]
    evidence = {"units": int(died.sum()), "share": worst, "first": int(steps.min()), "last": int(steps.max())}
    return Finding("units_died", "gates", severity, levels, tuple(nodes.tolist()), evidence)


_LOOKS: tuple[Callable[[Signals], Iterator[Finding]], ...] = (
    *(_mismatch, _scales, _zero, _frozen, _twins, _dead, _saturated, _gradient, _over_time, _chance),
    *(_bottleneck, _constant_inputs, _constant_units, _unreached),
)
