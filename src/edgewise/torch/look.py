"""One forward pass of a PyTorch model and the backward pass after it: what is noted of them, and what that says.

Hooks on results, which return nothing, tell what gradient comes back. A place is a linear operator with the activation
that follows it, an attention, or a layer of a recurrent operator; levels are counted from the output: level k is what
the k-th of these from the end reads.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn import grad as backward_of

from edgewise import activations
from edgewise.arrays import FloatArray
from edgewise.diagnosis.budget import Row
from edgewise.diagnosis.signals import (
    Broken,
    Recurrence,
    Signals,
    Start,
    first_alike,
    no_logits,
    offset,
    out_of_reach,
    size,
)
from edgewise.torch.place import Place, decibels, numbers, rms, rows_of
from edgewise.torch.recurrent import Call

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


class Look:
    """One forward pass and the backward pass after it."""

    def __init__(self, step: int, given: Tensor | None) -> None:
        self.step = step
        self.places: list[Place] = []
        self.input: FloatArray | None = None
        self._given = given
        if given is not None and given.is_floating_point() and given.dim() > 1:
            self.input = rows_of(given, 1 if given.dim() > 2 else -1)
        self.output_rms: float | None = None
        self._outputs: list[Tensor] = []
        self._calls: list[Call] = []
        self._over_time: list[tuple[Place, Recurrence]] = []
        self.unseen: list[str] = []
        """modules whose inside could not be seen, and why"""
        self.seen: set[str] = set()
        """modules that compute inside one operator and could be looked into"""
        self._handles: list[Any] = []
        self._names: Counter[str] = Counter()
        self._passed_over: list[bool] = []
        self.start: Start | None = None
        self.mismatch: str | None = None
        self._signals: Signals | None = None

    def hook(self, tensor: Tensor, told: Callable[[Tensor], None]) -> None:
        """Be told of the gradient that comes back to a tensor, until the look ends."""
        if tensor.requires_grad:
            self._handles.append(tensor.register_hook(told))

    def end(self) -> None:
        """No gradient after this one is of the look: parameters outlast it, and so would hooks on them."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def complete(self) -> bool:
        """Whether a gradient came back; then what was noted of recurrent operators is computed."""
        if self.output_rms is None:
            return False
        for call in self._calls:
            call.compute()
            if call.unseen is not None or not call.took_part():
                without = {id(place) for place in call.places()}
                self.places = [place for place in self.places if id(place) not in without]
            if call.unseen is not None:
                self.unseen.append(f"{call.name or 'model'} ({call.unseen})")
            else:
                self._over_time += call.over_time()
        self._calls = []
        return any(place.reader for place in self.places)

    def _named(self, name: str) -> str:
        self._names[name] += 1
        count = self._names[name]
        return (name or "model") if count == 1 else f"{name or 'model'}#{count}"

    # ---- forward ----

    @torch.no_grad()
    def linear(
        self,
        name: str,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        made: Tensor,
        original: Tensor | None = None,
    ) -> Place:
        """A call of a linear operator; `original` is what it reads a view of, the first two axes exchanged."""
        given = (
            dict(zip(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, strict=False))
            | kwargs
        )
        x, weight = given["input"], given["weight"]
        axis = -1 if func is functional.linear else made.dim() - weight.dim() + 1
        place = Place(self._named(name), True, unit_axis=axis, frozen=not weight.requires_grad)
        flat = weight.detach().float().flatten(1)
        place.fan_in = numbers(flat.norm(dim=1))
        if func is functional.linear:
            self._reads_entries(x)
        read = rows_of(x, -1 if func is functional.linear else axis)
        place.finite_in = bool(np.isfinite(read).all())
        moving = (read != read[:1]).any(axis=0)
        if func is functional.linear:
            place.stirred = ((numbers(flat) != 0) & moving).any(axis=1)
        else:
            place.stirred = (numbers(flat) != 0).any(axis=1) & moving.any()
        place.units(rows_of(made, axis))
        self.places.append(place)
        place.out, place.nodes = id(made), (made.grad_fn,)
        if original is None:
            self.hook(x, lambda g: _arriving(place, g))
        else:
            self.hook(original, lambda g: _arriving(place, g.transpose(0, 1)))
        self.hook(made, lambda g: self._linear_back(place, func, given, x.shape, weight, g))
        self.hook(weight, lambda g: place.learns(0, g))
        self._kept = made  # so that no other tensor has its id
        return place

    def _reads_entries(self, x: Tensor) -> None:
        """What the model is given has its entries along the last axis, if that is how it is read."""
        if x is self._given and x.dim() > 2 and self.input is not None:
            self.input = rows_of(x, -1)

    def attention(self, name: str, read: list[Tensor], made: Tensor) -> None:
        """Softmax attention: of what it gives, and of queries, keys and values together, the gradient's size."""
        place = Place(self._named(name), True, mixes=True, nodes=(made.grad_fn,), width=made.shape[-1])
        self.places.append(place)
        came: dict[int, tuple[float, int]] = {}

        def back(gradient: Tensor) -> None:
            place.beyond = place.passed = place.predicted = rms(gradient)

        def arriving(tensor: Tensor) -> Any:
            def hook(gradient: Tensor) -> None:
                came[id(tensor)] = float(gradient.detach().double().square().sum()), gradient.numel()
                squares, count = (sum(each) for each in zip(*came.values(), strict=True))
                place.arrived, place.measured = (squares / count) ** 0.5, True

            return hook

        self.hook(made, back)
        for tensor in {id(tensor): tensor for tensor in read}.values():
            self.hook(tensor, arriving(tensor))

    def recurrent(self, name: str, func: Any, args: tuple[Any, ...], state: Tensor | None, made: Any) -> None:
        """A call of a recurrent operator; `state` is that of the random numbers before it, where it draws any."""
        call = Call(func, name, args, made, state, self.hook)
        for place in call.places():
            place.name = self._named(place.name)
        self._reads_entries(args[0])
        self.places += call.places()
        self._calls.append(call)
        self.seen.add(name)

    @torch.no_grad()
    def activation(self, name: str, ours: str, read_id: int, read: Tensor, made: Tensor) -> None:
        place = self.places[-1] if self.places else None
        if place is None or place.activation != "identity" or place.out != read_id:
            place = Place(self._named(name), False, unit_axis=-1 if read.dim() < 3 else 1)
            place.fan_in = np.zeros(0)
            self.places.append(place)
        s, y = rows_of(read, place.unit_axis), rows_of(made, place.unit_axis)
        place.activation, place.out = ours, 0
        with np.errstate(all="ignore"):
            gate = activations.get(ours).gate(s, y)
        place.finite_in = place.finite_in and bool(np.isfinite(s).all())
        place.units(y, gate)
        if len(place.fan_in) != y.shape[1]:
            place.fan_in = np.full(y.shape[1], np.nan)
            place.stirred = (s != s[:1]).any(axis=0)
        self.hook(made, lambda g: self._gates_back(place, gate, g))

    def output(self, made: Any) -> None:
        """What the whole model gives: a tensor, or several in tuples, lists and mappings."""
        self._outputs = [tensor for tensor in _tensors(made) if tensor.is_floating_point()]
        roots = [tensor.grad_fn for tensor in self._outputs if tensor.grad_fn is not None]
        _lead_past(roots, self.places)
        for call in self._calls:
            call.read_alone = not _read_elsewhere(roots, call)
        came: dict[int, tuple[float, int]] = {}

        def arriving(at: int) -> Any:
            def back(gradient: Tensor) -> None:
                came[at] = float(gradient.detach().double().square().sum()), gradient.numel()
                squares, count = (sum(each) for each in zip(*came.values(), strict=True))
                self.output_rms = float((squares / count) ** 0.5)

            return back

        for at, tensor in enumerate(self._outputs):
            self.hook(tensor, arriving(at))

    @torch.no_grad()
    def loss(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Tensor) -> None:
        named = ("input", "target", "weight", "size_average", "ignore_index")
        given = dict(zip(named, args, strict=False)) | kwargs
        o: Tensor = given["input"]
        y: Tensor = given["target"]
        if not any(o is output for output in self._outputs) or (made.dim() > 0 and made.numel() != 1):
            return
        output, wanted = numbers(o), numbers(y)
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
            place.beyond = rms(g)
            place.sensitivity = rows_of(g, place.unit_axis)
        place.passed = rms(g)
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
        place.arrived, place.direct, place.measured = rms(direct), direct, True

    @torch.no_grad()
    def _gates_back(self, place: Place, gate: FloatArray, gradient: Tensor) -> None:
        place.beyond = rms(gradient)
        place.sensitivity = rows_of(gradient, place.unit_axis)
        if not place.reader:
            with np.errstate(all="ignore"):
                place.passed = float(np.sqrt(np.square(place.sensitivity * gate).mean()))

    # ---- what all of it says ----

    def readers(self) -> tuple[str, ...]:
        return ("", *(place.name for place in reversed(self.places) if place.reader))

    def signals(self) -> Signals:
        if self._signals is None:
            with np.errstate(all="ignore"):
                self._signals = self._made()
        return self._signals

    def _made(self) -> Signals:
        linear = [place for place in self.places if place.reader]
        groups, names, level = [], [], len(linear)
        for place in self.places:
            level -= place.reader
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
            rows=self._rows(linear),
            spread_db=self._spread(),
            broken=self._broken(first.tolist()),
            passed_over=np.array([False, *(place.passed_over for place in reversed(linear))]),
            learning=np.array([np.nan, *(place.learning for place in reversed(linear))]),
            mixed=np.array([False, *(place.mixes for place in reversed(linear))]),
            recurrences=tuple(
                replace(found, level=len(linear) - at)
                for at, place in enumerate(linear)
                for reader, found in self._over_time
                if reader is place
            ),
            frozen=np.array([False, *(place.frozen for place in reversed(linear))]),
            start=self.start,
            mismatch=self.mismatch,
            **columns,
        )

    def _rows(self, linear: list[Place]) -> tuple[Row, ...]:
        first = decibels(self.output_rms or 0.0, 1.0)
        found = [Row(0, linear[-1].width, first, 0.0, 0.0, first)]
        before = self.output_rms or 0.0
        for level, place in enumerate(reversed(linear), 1):
            if not place.measured:  # nothing before a frozen beginning is asked for a gradient
                break
            total = decibels(place.arrived, before)
            closing = decibels(place.passed, place.beyond)
            came = float(np.hypot(place.predicted, place.others))
            weights = decibels(came, place.passed) if np.isfinite(came) else total - closing
            if total == -np.inf:  # by the first part that makes it so
                closing = -np.inf if closing == -np.inf else closing
                weights = 0.0 if closing == -np.inf else weights
                rest = 0.0 if -np.inf in (closing, weights) else -np.inf
            else:
                rest = total - weights - closing
            found.append(Row(level, place.width, weights, closing, rest if rest == rest else 0.0, total, place.name))
            before = place.arrived
        return tuple(found)

    def _spread(self) -> float:
        variances = []
        for place in self.places:
            if place.sensitivity is not None and place.sensitivity.shape[1] > 1:
                for part in np.array_split(place.sensitivity, place.groups, axis=1):
                    total = 20 * np.log10(np.sqrt(np.square(part).mean(axis=0)))
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
        "hidden": np.full(n, level > 0 or place.inner),
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
        "hidden": np.zeros(n, np.bool_),
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


def _lead_past(roots: list[Any], places: list[Place]) -> None:
    """Of each reader whether a way from the outputs to the first of them leads past it, in autograd's graph."""
    readers = [place for place in places if place.reader]
    if not readers:
        return
    order: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(root, False) for root in roots]
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
    sources = readers[0].nodes
    to_source: dict[Any, int] = {}
    for node in order:  # those nearer to the source first
        to_source[node] = (
            1 if node in sources else sum(to_source.get(a, 0) for a, _ in node.next_functions if a is not None)
        )
    from_output = dict.fromkeys(order, 0)
    for root in roots:
        from_output[root] += 1
    for node in reversed(order):
        for after, _ in node.next_functions:
            if after is not None:
                from_output[after] += from_output[node]
    whole = sum(to_source[root] for root in roots)
    past: dict[tuple[Any, ...], bool] = {}
    for place in readers:
        if place.nodes not in past:
            if len(place.nodes) == 1:
                node = place.nodes[0]
                past[place.nodes] = from_output.get(node, 0) * to_source.get(node, 0) < whole
            else:  # one may lie behind another
                past[place.nodes] = not _beyond(roots, place.nodes).isdisjoint(sources) if whole else False
        place.passed_over = whole > 0 and past[place.nodes]


def _tensors(made: Any) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, Mapping):
        for one in made.values():
            yield from _tensors(one)
    elif isinstance(made, (tuple, list)):
        for one in made:
            yield from _tensors(one)


def _read_elsewhere(roots: list[Any], call: Call) -> bool:
    """Whether what a recurrent operator reads has other readers in the model."""
    data = call.data
    if not data.requires_grad:
        return False
    node = data.grad_fn
    others = _beyond(roots, call.nodes)
    if node is None:  # a leaf: the node that adds up its gradient
        return any(getattr(after, "variable", None) is data for one in others for after, _ in one.next_functions)
    return (
        any(after is node and number == data.output_nr for one in others for after, number in one.next_functions)
        or node in roots
    )


def _beyond(roots: list[Any], without: Any) -> set[Any]:
    """All of autograd's graph that a gradient reaches on other ways than through these."""
    seen: set[Any] = set()
    stack = [root for root in roots if root not in without]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen and node not in without:
            seen.add(node)
            stack += [after for after, _ in node.next_functions]
    return seen


@torch.no_grad()
def _arriving(place: Place, gradient: Tensor) -> None:
    place.arrived = rms(gradient)
    if place.direct is not None:
        place.others = rms(gradient.float() - place.direct.view_as(gradient))
        place.direct = None
