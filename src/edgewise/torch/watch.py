"""Watching any PyTorch model: what becomes of the gradient at each linear operator and activation, and what is wrong.

While the context lasts, a `TorchFunctionMode` sees every call of a linear operator, an activation or a loss, of modules
and of functions alike, hooks on modules tell whose it is, and a `edgewise.torch.look.Look` notes it. The model computes
what it computes, to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from edgewise.diagnosis.budget import PARTS, Row, together
from edgewise.diagnosis.findings import FADED_DB, Finding, find, units_died
from edgewise.diagnosis.signals import Recurrence, Signals
from edgewise.errors import DataError
from edgewise.optimizers import check_number
from edgewise.torch import attention, recurrent
from edgewise.torch.look import ACTIVATIONS, CONVOLUTIONS, LOGIT_LOSSES, SQUARED_LOSSES, Look

SCHEMA = 1
_FUSED = (nn.RNNBase, nn.MultiheadAttention)
"""Modules that compute inside one operator, which is looked into."""


@dataclass(frozen=True)
class Report:
    """What was seen of a model at one step."""

    step: int
    """forward passes before it"""
    rows: tuple[Row, ...]
    """the gradient budget by level, the output's own first; each with the name of the linear operator that reads it"""
    findings: tuple[Finding, ...]
    signals: Signals
    update_ratio: dict[str, float]
    """of each weight: root mean square of what the step changed, by that of the weight"""
    readers: tuple[str, ...]
    """of each level, the linear operator that reads it"""
    unseen: tuple[str, ...]
    """modules whose inside cannot be seen, some with the reason"""

    @property
    def recurrences(self) -> tuple[Recurrence, ...]:
        """Of each layer and direction of nn.RNN, nn.LSTM and nn.GRU, what becomes of the gradient from step to step."""
        return self.signals.recurrences

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `schema` says in which form."""
        return {
            "schema": SCHEMA,
            "step": self.step,
            "rows": [row.to_dict() for row in self.rows],
            "findings": [finding.to_dict() for finding in self.findings],
            "update_ratio": self.update_ratio,
            "unseen": list(self.unseen),
            "recurrences": [found.to_dict() for found in self.recurrences],
        }

    def names(self, finding: Finding) -> list[str]:
        """The modules that a finding is about."""
        if finding.nodes:
            there = [j for j in finding.nodes if int(self.signals.level[j]) in finding.levels]
            return list(dict.fromkeys(self.signals.names[j].rsplit("[", 1)[0] for j in there))
        return [name for level, name in enumerate(self.readers) if level in finding.levels and name]

    def __str__(self) -> str:
        width = max([len(row.name) for row in self.rows] + [8])
        titles = "".join(f"{title:>10}" for title in ("weights", "gates", "interf.", "total dB"))
        lines = [f"{'level':>6}  {'read by':{width}}{titles}"]
        for name, row in [*((str(row.level), row) for row in self.rows), ("all", together(self.rows))]:
            lines.append(f"{name:>6}  {row.name:{width}}{_numbers(row)}")
        lines.append("")
        if self.recurrences:
            lines += [*_through_time(self.recurrences), ""]
        for finding in self.findings:
            lines.append(
                f"{finding.severity}: {finding.code}, cause: {finding.cause}, at {_listed(self.names(finding))}"
            )
            lines += [f"    {finding.says}", f"    may help: {finding.remedy}"]
        if not self.findings:
            lines.append("nothing found")
        if self.unseen:
            lines.append(f"not seen: the inside of {_listed(self.unseen)}")
        return "\n".join(lines)


def _numbers(row: Row) -> str:
    return "".join(f"{round(getattr(row, part), 1) + 0.0:>+10.1f}" for part in PARTS)


def _through_time(recurrences: tuple[Recurrence, ...]) -> list[str]:
    width = max(len(gate.name) for found in recurrences for gate in found.gates)
    width = max([width, 8, *(len(found.name) for found in recurrences)])
    titles = "".join(f"{title:>10}" for title in ("weights", "gates", "interf.", "total dB", "a step"))
    lines = [f"{'':6}  {'through time':{width}}{titles}   {-FADED_DB:.0f} dB after"]
    for found in recurrences:
        whole = together(found.rows)
        step = f"{round(whole.total_db / max(len(found.rows), 1), 1) + 0.0:>+10.1f}"
        reach, back = found.reach(FADED_DB), found.read - 1
        end = f"{reach + 1} of {back} steps" if reach < back else f"more than {back} steps"
        if not back:
            end = "its first step alone is read"
        lines.append(f"{'':6}  {found.name:{width}}{_numbers(whole)}{step}   {end}")
    titles = "".join(f"{title:>10}" for title in ("mean", "closed", "gates"))
    lines += ["", f"{'':6}  {'gate':{width}}{titles}"]
    for gate in (gate for found in recurrences for gate in found.gates):
        lines.append(
            f"{'':6}  {gate.name:{width}}{gate.mean:>+10.2f}{gate.closed:>10.0%}{round(gate.gain_db, 1) + 0.0:>+10.1f}"
        )
    return lines


def _listed(names: Any) -> str:
    shown = list(names)
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "") if shown else "the output"


@contextmanager
def watch(model: nn.Module, *, every: int = 1) -> Iterator["Watch"]:
    """Watch a model while it trains as it always does; afterwards, and meanwhile, `report()` says what is wrong.

    every : of this many forward passes in training the first is looked at, with the backward pass that follows.

    Nothing that the model computes changes. nn.RNN, nn.LSTM, nn.GRU and nn.MultiheadAttention are looked into; what
    torch.compile has made one program of, and cells such as nn.LSTMCell, cannot be: the report says which. Use one
    context at a time.
    """
    check_number("every", every, 1, whole=True)
    watching = Watch(model, int(every))
    with watching._mode:
        try:
            yield watching
        finally:
            watching._end()


class Watch:
    """What `edgewise.torch.watch` gives."""

    def __init__(self, model: nn.Module, every: int) -> None:
        self._model, self._every, self._passes = model, every, -1
        self._looking: Look | None = None
        self._stack: list[str] = []
        self._before: dict[str, Tensor] = {}
        self._ratio: dict[str, float] = {}
        self._last: Look | None = None
        self._opened: Any = None
        self._since: Any = None
        self.first: Report | None = None
        """of the first step that was looked at"""
        self.unseen = tuple(
            name or type(module).__name__
            for name, module in model.named_modules()
            if isinstance(module, nn.RNNCellBase) or hasattr(module, "_orig_mod")
        )
        self._mode = _Mode(self)
        self._handles: list[Any] = []
        for name, module in model.named_modules():
            if "_orig_mod" not in name.split("."):  # the inside of a compiled module is not called as a module
                compiled = hasattr(module, "_orig_mod")
                self._handles.append(module.register_forward_pre_hook(self._entering(name, compiled)))
                self._handles.append(module.register_forward_hook(self._leaving(name, compiled), always_call=True))

    def _end(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._keep()
        self._let_go()

    def _let_go(self) -> None:
        if self._looking is not None:
            self._looking.end()
        self._looking = None

    def _entering(self, name: str, compiled: bool) -> Any:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            if not self._stack:
                self._begin(given)
            self._stack.append(name)
            if compiled:  # which would be compiled anew for a mode, and could not be
                self._mode.__exit__(None, None, None)

        return hook

    def _leaving(self, name: str, compiled: bool) -> Any:
        def hook(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
            if compiled:
                self._mode.__enter__()
            if self._stack:
                self._stack.pop()
            look = self._looking
            if look is None:
                return
            if isinstance(module, _FUSED) and name not in look.seen:
                look.unseen.append(name or type(module).__name__)
            if not self._stack:
                look.output(made)

        return hook

    def _begin(self, given: tuple[Any, ...]) -> None:
        """A forward pass of the whole model."""
        self._compare()
        self._keep()
        self._let_go()
        if not torch.is_grad_enabled():
            return
        self._passes += 1
        if self._passes % self._every == 0:
            self._looking = Look(self._passes, next((x for x in given if isinstance(x, Tensor)), None))
            weights = ((name, p) for name, p in self._model.named_parameters() if p.dim() > 1)
            self._before = {name: p.detach().clone() for name, p in weights}

    def _compare(self) -> None:
        """What the step after the last look has changed."""
        if self._before:
            after = dict(self._model.named_parameters())
            for name, before in self._before.items():
                size_before = float(before.double().norm())
                change = float((after[name].detach().double() - before.double()).norm())
                self._ratio[name] = change / size_before if size_before else float("nan")
            self._before = {}

    def _keep(self) -> None:
        """The look that has just ended, if a gradient came back."""
        look = self._looking
        if look is None or not look.complete():
            return
        look.end()
        self._last = look
        if self.first is None:
            self.first = self._report(look)
        signals = look.signals()
        if self._opened is None or len(self._opened) != len(signals.open):
            self._opened = np.zeros(len(signals.open), np.bool_)
            self._since = np.full(len(signals.open), look.step)
        self._opened |= signals.open
        self._since[signals.open] = look.step

    def report(self) -> Report:
        """Of the last step that was looked at. DataError if there is none yet."""
        self._keep()
        self._compare()
        if self._last is None:
            raise DataError("nothing has been watched yet: run the model forward and its loss backward in the context")
        return self._report(self._last)

    def _report(self, look: "Look") -> Report:
        signals = look.signals()
        findings = find(signals)
        if self._opened is not None:
            died = signals.hidden & ~signals.open & self._opened & (signals.n_samples > 1)
            if died.any():
                findings = (units_died(signals, died, self._since), *findings)
                findings = tuple(sorted(findings, key=lambda f: ("error", "warning", "note").index(f.severity)))
        return Report(
            look.step,
            signals.rows,
            findings,
            signals,
            dict(self._ratio),
            look.readers(),
            (*self.unseen, *dict.fromkeys(look.unseen)),
        )


class _Mode(TorchFunctionMode):
    """Tells a watch of every call that concerns it."""

    def __init__(self, watching: Watch) -> None:
        super().__init__()
        self._watching = watching
        self._projections: attention.Projections | None = None
        """of the nn.MultiheadAttention that is being computed"""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        look = self._watching._looking
        if look is None:
            return func(*args, **kwargs)
        inside = bool(self._watching._stack)
        if not inside:
            made = func(*args, **kwargs)
            if func in LOGIT_LOSSES or func in SQUARED_LOSSES:
                look.loss(func, args, kwargs, made)
            return made
        name = self._watching._stack[-1]
        if func is functional.multi_head_attention_forward and attention.inside is not None:
            return self._attention(look, name, args, kwargs)
        if func is functional.linear and self._projections is not None:
            return self._projection(look, self._projections, args, kwargs)
        if func is functional.linear or func in CONVOLUTIONS:
            made = func(*args, **kwargs)
            look.linear(name, func, args, kwargs, made)
            return made
        if func in ACTIVATIONS and isinstance(args[0], Tensor):
            read = args[0]
            kept = (
                read.detach().clone()
                if func.__name__.endswith("_") or kwargs.get("inplace") or True in args[1:]
                else read
            )
            at = id(read)
            made = func(*args, **kwargs)
            look.activation(name, ACTIVATIONS[func], at, kept, made)
            return made
        if func is functional.scaled_dot_product_attention and self._projections is None:
            made = func(*args, **kwargs)
            read = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
            look.attention(_within(name), [read["query"], read["key"], read["value"]], made)
            return made
        if func in recurrent.OPERATORS and not kwargs:
            state = torch.get_rng_state() if recurrent.draws(args) else None
            made = func(*args)
            look.recurrent(name, func, args, state, made)
            return made
        return func(*args, **kwargs)

    def _attention(self, look: Look, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """With this mode on for what the function calls."""
        assert attention.inside is not None
        look.seen.add(name)
        self._projections = attention.Projections(name, args, kwargs)
        try:
            with self:
                return attention.inside(*args, **kwargs)
        finally:
            self._projections = None

    def _projection(
        self, look: Look, projections: attention.Projections, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        made: Tensor = functional.linear(*args, **kwargs)
        x, weight = args[0], args[1]
        name, groups = projections.of(weight)
        if projections.is_out(weight):
            look.attention(_within(projections.name.rstrip(".")), projections.made, x)
        place = look.linear(name, functional.linear, args, kwargs, made, attention.original(x))
        place.groups = groups
        projections.made.append(made)
        return made


def _within(name: str) -> str:
    return f"{name}.attention" if name else "attention"
