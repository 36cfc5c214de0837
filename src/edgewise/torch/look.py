"""One forward pass of a PyTorch model and the backward pass after it: what is noted of them, and what that says.

Hooks on results, which return nothing, tell what gradient comes back. A place is a linear operator with the activation
that follows it; levels are counted from the output: level k is what the k-th linear operator from the end reads.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn import grad as backward_of

from edgewise import activations, gates
from edgewise.arrays import FloatArray
from edgewise.diagnosis.budget import Row
from edgewise.diagnosis.signals import Broken, Signals, Start, first_alike, no_logits, offset, out_of_reach, size

SAMPLES = 64
"""of a batch at most so many are looked at"""
ROWS = 4096
"""of the positions that share a unit (pixels, words) at most so many"""

ACTIVATIONS: dict[Any, str] = {
    getattr(namespace, name): ours
    for ours, names in {
        "relu": ("relu", "relu_"),
        "tanh": ("tanh", "tanh_"),
        "sigmoid": ("sigmoid", "sigmoid_"),
        "hard_tanh": ("hardtanh", "hardtanh_"),
        "leaky_relu": ("leaky_relu", "leaky_relu_"),
        "elu": ("elu", "elu_"),
        "selu": ("selu", "selu_"),
        "gelu": ("gelu",),
        "silu": ("silu",),
        "softplus": ("softplus",),
        "softsign": ("softsign",),
        "log": ("log", "log_"),
        "sqrt": ("sqrt", "sqrt_"),
        "exp": ("exp", "exp_"),
    }.items()
    for name in names
    for namespace in (functional, torch, Tensor)
    if hasattr(namespace, name)
}
CONVOLUTIONS = {
    functional.conv1d: backward_of.conv1d_input,
    functional.conv2d: backward_of.conv2d_input,
    functional.conv3d: backward_of.conv3d_input,
}
LOGIT_LOSSES = (functional.cross_entropy, functional.binary_cross_entropy_with_logits)
SQUARED_LOSSES = (functional.mse_loss,)


@dataclass
class Place:
    """A linear operator, or an activation that follows none, and what was seen there in one pass forth and back."""

    name: str
    linear: bool
    activation: str = "identity"
    unit_axis: int = -1
    frozen: bool = False
    # of the units that come out, samples and positions reduced away
    closed: FloatArray = field(default_factory=lambda: np.zeros(0))
    open: Any = None
    varies: Any = None
    stirred: Any = None
    fan_in: FloatArray = field(default_factory=lambda: np.zeros(0))
    value: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    sensitivity: FloatArray | None = None
    """(rows, units) of what comes out, or None if nothing came back"""
    # of the gradient: root mean squares
    arrived: float = 0.0
    """at what is read, of all its readers"""
    beyond: float = 0.0
    """at what comes out, after the activation"""
    passed: float = 0.0
    """behind the activation, S⁻"""
    predicted: float = 0.0
    """of squares, at what is read"""
    others: float = 0.0
    """at what is read, of its other readers"""
    direct: Tensor | None = None
    """what comes back through this operator, until it is known what comes back in all"""
    measured: bool = False
    node: Any = None
    """of autograd's graph"""
    out: int = 0
    """id of the tensor that an activation may take up"""
    finite_in: bool = True


class Look:
    """One forward pass and the backward pass after it."""

    def __init__(self, step: int, given: Tensor | None) -> None:
        self.step = step
        self.places: list[Place] = []
        self.input: FloatArray | None = None
        if given is not None and given.is_floating_point() and given.dim() > 1:
            self.input = _rows(given, 1 if given.dim() > 2 else -1)
        self.output_rms: float | None = None
        self.output_node: Any = None
        self._output: Tensor | None = None
        self._names: Counter[str] = Counter()
        self._passed_over: list[bool] = []
        self.start: Start | None = None
        self.mismatch: str | None = None
        self._signals: Signals | None = None

    def complete(self) -> bool:
        return self.output_rms is not None and any(place.linear for place in self.places)

    def _named(self, name: str) -> str:
        self._names[name] += 1
        count = self._names[name]
        return (name or "model") if count == 1 else f"{name or 'model'}#{count}"

    # ---- forward ----

    @torch.no_grad()
    def linear(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Tensor) -> None:
        given = (
            dict(zip(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, strict=False))
            | kwargs
        )
        x, weight = given["input"], given["weight"]
        axis = -1 if func is functional.linear else made.dim() - weight.dim() + 1
        place = Place(self._named(name), True, unit_axis=axis, frozen=not weight.requires_grad)
        flat = weight.detach().float().flatten(1)
        place.fan_in = _numbers(flat.norm(dim=1))
        read = _rows(x, -1 if func is functional.linear else axis)
        place.finite_in = bool(np.isfinite(read).all())
        moving = (read != read[:1]).any(axis=0)
        if func is functional.linear:
            place.stirred = ((_numbers(flat) != 0) & moving).any(axis=1)
        else:
            place.stirred = (_numbers(flat) != 0).any(axis=1) & moving.any()
        self._units(place, _rows(made, axis))
        self.places.append(place)
        place.out, place.node = id(made), made.grad_fn
        if x.requires_grad:
            x.register_hook(lambda g: _arriving(place, g))
        if made.requires_grad:
            made.register_hook(lambda g: self._linear_back(place, func, given, x.shape, weight, g))
        self._kept = made  # so that no other tensor has its id

    @torch.no_grad()
    def activation(self, name: str, ours: str, read_id: int, read: Tensor, made: Tensor) -> None:
        place = self.places[-1] if self.places else None
        if place is None or place.activation != "identity" or place.out != read_id:
            place = Place(self._named(name), False, unit_axis=-1 if read.dim() < 3 else 1)
            place.fan_in = np.zeros(0)
            self.places.append(place)
        s, y = _rows(read, place.unit_axis), _rows(made, place.unit_axis)
        place.activation, place.out = ours, 0
        with np.errstate(all="ignore"):
            gate = activations.get(ours).gate(s, y)
        place.finite_in = place.finite_in and bool(np.isfinite(s).all())
        self._units(place, y, gate)
        if len(place.fan_in) != y.shape[1]:
            place.fan_in = np.full(y.shape[1], np.nan)
            place.stirred = (s != s[:1]).any(axis=0)
        if made.requires_grad:
            made.register_hook(lambda g: self._gates_back(place, gate, g))

    def _units(self, place: Place, value: FloatArray, gate: FloatArray | None = None) -> None:
        place.value = value
        place.varies = (value != value[:1]).any(axis=0)
        if gate is None:
            place.closed, place.open = np.zeros(value.shape[1]), np.ones(value.shape[1], np.bool_)
            return
        row = activations.get(place.activation)
        place.closed = ((np.abs(gate) < gates.least_open(row)) | (gate == 0)).mean(axis=0)
        place.open = (gate != 0).any(axis=0) | row.rounds_to_closed

    def output(self, made: Tensor) -> None:
        self._output = made
        if made.requires_grad:
            self.output_node = made.grad_fn
            self._passed_over = _passed_over(made.grad_fn, [place.node for place in self.places if place.linear])

            def back(g: Tensor) -> None:
                self.output_rms = _rms(g)

            made.register_hook(back)

    @torch.no_grad()
    def loss(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Tensor) -> None:
        named = ("input", "target", "weight", "size_average", "ignore_index")
        given = dict(zip(named, args, strict=False)) | kwargs
        o: Tensor = given["input"]
        y: Tensor = given["target"]
        if o is not self._output or (made.dim() > 0 and made.numel() != 1):
            return
        output, wanted = _numbers(o), _numbers(y)
        ends = bool(self.places) and self.places[-1].value.shape[-1] == output.shape[-1]
        last = self.places[-1].activation if ends else "identity"
        low, high = activations.get(last).range
        if func in LOGIT_LOSSES:
            self.mismatch = no_logits(func.__name__, last, low, high)
            if func is functional.cross_entropy and wanted.ndim == 1 and output.ndim == 2:
                ignored = given.get("ignore_index", -100)
                often = np.bincount(wanted[wanted != ignored].astype(np.int64), minlength=output.shape[1])
                if often.any():
                    share = often[often > 0] / often.sum()
                    mean = float(functional.cross_entropy(o, y, ignore_index=ignored))
                    chance = float(-(share * np.log(share)).sum())
                    self.start = Start(mean, chance, float(np.sqrt(np.square(output).mean())), None)
            return
        wanted = np.broadcast_to(wanted, output.shape)
        self.mismatch = out_of_reach(float(wanted.min()), float(wanted.max()), last, low, high)
        spread = float(np.square(wanted - wanted.mean(axis=0)).mean())
        sizes = (float(np.sqrt(np.square(part).mean())) for part in (output, wanted))
        self.start = Start(float(np.square(output - wanted).mean()), spread, *sizes)

    # ---- backward ----

    @torch.no_grad()
    def _linear_back(
        self, place: Place, func: Any, given: dict[str, Any], shape: Any, weight: Tensor, gradient: Tensor
    ) -> None:
        g, w = gradient.detach().float(), weight.detach().float()
        if place.activation == "identity":
            place.beyond = _rms(g)
            place.sensitivity = _rows(g, place.unit_axis)
        place.passed = _rms(g)
        if func is functional.linear:
            squared = g.square() @ w.square()
            direct = g @ w
        else:
            settings = {key: given[key] for key in ("stride", "padding", "dilation", "groups") if key in given}
            try:
                back = CONVOLUTIONS[func]
                squared, direct = back(shape, w.square(), g.square(), **settings), back(shape, w, g, **settings)
            except (RuntimeError, TypeError, ValueError):  # padding="same" and the like
                place.predicted = float("nan")
                return
        place.predicted = float(squared.double().mean().sqrt())
        place.arrived, place.direct, place.measured = _rms(direct), direct, True

    @torch.no_grad()
    def _gates_back(self, place: Place, gate: FloatArray, gradient: Tensor) -> None:
        place.beyond = _rms(gradient)
        place.sensitivity = _rows(gradient, place.unit_axis)
        if not place.linear:
            with np.errstate(all="ignore"):
                place.passed = float(np.sqrt(np.square(place.sensitivity * gate).mean()))

    # ---- what all of it says ----

    def readers(self) -> tuple[str, ...]:
        return ("", *(place.name for place in reversed(self.places) if place.linear))

    def signals(self) -> Signals:
        if self._signals is None:
            with np.errstate(all="ignore"):
                self._signals = self._made()
        return self._signals

    def _made(self) -> Signals:
        linear = [place for place in self.places if place.linear]
        groups, names, level = [], [], len(linear)
        for place in self.places:
            level -= place.linear
            groups.append(_units_of(place, level))
            names += [f"{place.name}[{k}]" for k in range(place.value.shape[1])]
        if self.input is not None:
            groups.append(_inputs_of(self.input, len(linear)))
            names += [f"input[{k}]" for k in range(self.input.shape[1])]
        first = np.cumsum([0, *(len(group["twin"]) for group in groups)])
        for start, group in zip(first.tolist(), groups, strict=False):
            group["twin"] = group["twin"] + start
        columns = {key: np.concatenate([group[key] for group in groups]) for key in groups[0]}
        return Signals(
            names=names,
            n_samples=max((len(place.value) for place in self.places), default=0),
            hidden=~columns["is_input"] & (columns["level"] > 0),
            rows=self._rows(linear),
            spread_db=self._spread(),
            broken=self._broken(first.tolist()),
            passed_over=np.array([False, *self._passed_over[::-1]]),
            frozen=np.array([False, *(place.frozen for place in reversed(linear))]),
            start=self.start,
            mismatch=self.mismatch,
            **columns,
        )

    def _rows(self, linear: list[Place]) -> tuple[Row, ...]:
        first = _decibels(self.output_rms or 0.0, 1.0)
        found = [Row(0, linear[-1].value.shape[1], first, 0.0, 0.0, first)]
        before = self.output_rms or 0.0
        for level, place in enumerate(reversed(linear), 1):
            if not place.measured:  # nothing before a frozen beginning is asked for a gradient
                break
            total = _decibels(place.arrived, before)
            closing = _decibels(place.passed, place.beyond)
            came = float(np.hypot(place.predicted, place.others))
            weights = _decibels(came, place.passed) if np.isfinite(came) else total - closing
            if total == -np.inf:  # by the first part that makes it so
                closing = -np.inf if closing == -np.inf else closing
                weights = 0.0 if closing == -np.inf else weights
                rest = 0.0 if -np.inf in (closing, weights) else -np.inf
            else:
                rest = total - weights - closing
            found.append(
                Row(level, len(place.fan_in), weights, closing, rest if rest == rest else 0.0, total, place.name)
            )
            before = place.arrived
        return tuple(found)

    def _spread(self) -> float:
        variances = []
        for place in self.places:
            if place.sensitivity is not None and place.sensitivity.shape[1] > 1:
                total = 20 * np.log10(np.sqrt(np.square(place.sensitivity).mean(axis=0)))
                total = total[np.isfinite(total)]
                if len(total) > 1:
                    variances.append(float(total.var()))
        return float(np.sqrt(np.mean(variances))) if variances else 0.0

    def _broken(self, first: list[int]) -> Broken | None:
        """first : where the units of each place begin, and then those of the input."""
        if self.input is not None:
            unit, count = _first_bad(self.input)
            if count:
                return Broken("value", first[len(self.places)] + unit, count, "data")
        for place, start in zip(self.places, first, strict=False):
            unit, count = _first_bad(place.value)
            if count:
                of_gates = place.finite_in and place.activation != "identity"
                return Broken("value", start + unit, count, "gates" if of_gates else "weights")
        return None


def _units_of(place: Place, level: int) -> dict[str, Any]:
    """What `Signals` says of each unit, of those that come out of a place; twins counted from its first."""
    n = place.value.shape[1]
    return {
        "level": np.full(n, level, np.int32),
        "is_input": np.zeros(n, np.bool_),
        "closed": place.closed,
        "open": place.open,
        "squashing": np.full(n, activations.get(place.activation).bounded),
        "varies": place.varies,
        "stirred": place.stirred,
        "fan_in": place.fan_in,
        "size": size(place.value),
        "offset": np.zeros(n),
        "twin": np.arange(n) if place.sensitivity is None else first_alike(place.value, place.sensitivity),
    }


def _inputs_of(value: FloatArray, level: int) -> dict[str, Any]:
    """The same of the inputs."""
    n = value.shape[1]
    return {
        "level": np.full(n, level, np.int32),
        "is_input": np.ones(n, np.bool_),
        "closed": np.zeros(n),
        "open": np.ones(n, np.bool_),
        "squashing": np.zeros(n, np.bool_),
        "varies": (value != value[:1]).any(axis=0),
        "stirred": np.ones(n, np.bool_),
        "fan_in": np.full(n, np.nan),
        "size": size(value),
        "offset": offset(value),
        "twin": np.arange(n),
    }


def _first_bad(values: FloatArray) -> tuple[int, int]:
    """The first unit of (rows, units) that is not finite everywhere, and in how many rows; in 0 if there is none."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return 0, 0
    unit = int(bad.any(axis=0).argmax())
    return unit, int(bad[:, unit].sum())


def _passed_over(output: Any, nodes: list[Any]) -> list[bool]:
    """Of each linear operator in forward order whether a way from the output to the first of them leads past it: by the
    numbers of paths in autograd's graph."""
    if not nodes:
        return []
    order: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(output, False)]
    while stack:
        node, done = stack.pop()
        if node is None or (node in seen and not done):
            continue
        if done:
            order.append(node)
            continue
        seen.add(node)
        stack.append((node, True))
        stack += [(after, False) for after, _ in node.next_functions]
    source = nodes[0]
    to_source: dict[Any, int] = {}
    for node in order:  # those nearer to the source first
        to_source[node] = (
            1 if node is source else sum(to_source.get(a, 0) for a, _ in node.next_functions if a is not None)
        )
    from_output = dict.fromkeys(order, 0)
    from_output[output] = 1
    for node in reversed(order):
        for after, _ in node.next_functions:
            if after is not None:
                from_output[after] += from_output[node]
    whole = to_source.get(output, 0)
    return [whole > 0 and from_output.get(node, 0) * to_source.get(node, 0) < whole for node in nodes]


def _rows(given: Tensor, axis: int) -> FloatArray:
    """(rows, units) some samples, and of those some positions; units lie along the axis."""
    some = given.detach()[:SAMPLES] if given.dim() > 1 else given.detach()[None]
    rows = some.movedim(axis, -1).reshape(-1, some.shape[axis]).float()
    if len(rows) > ROWS:
        rows = rows[torch.linspace(0, len(rows) - 1, ROWS).long()]
    return _numbers(rows)


def _numbers(given: Tensor) -> FloatArray:
    """In double precision, wherever and as whatever they are."""
    found: FloatArray = given.detach().cpu().double().numpy()
    return found


def _rms(gradient: Tensor) -> float:
    return float(gradient.detach().double().square().mean().sqrt())


@torch.no_grad()
def _arriving(place: Place, gradient: Tensor) -> None:
    place.arrived = _rms(gradient)
    if place.direct is not None:
        place.others = _rms(gradient.float() - place.direct.view_as(gradient))
        place.direct = None


def _decibels(after: float, before: float) -> float:
    if after == before:
        return 0.0
    if not before:
        return float("inf")
    return 20 * float(np.log10(after / before)) if after else -float("inf")
