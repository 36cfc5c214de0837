"""The cases as modules of PyTorch, trained as their users would; and what the tools made for it say."""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.diagnosis.cases import Case, Dense, Residual
from benchmarks.diagnosis.native import Verdict


class Log(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hard_tanh": nn.Hardtanh,
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "log": Log,
}


def dense(step: Dense) -> nn.Sequential:
    linear = nn.Linear(step.weight.shape[1], step.weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(step.weight))
        linear.bias.copy_(torch.from_numpy(step.bias))
    if step.frozen:
        linear.requires_grad_(False)
    parts = [linear] if step.activation == "identity" else [linear, ACTIVATIONS[step.activation]()]
    return nn.Sequential(*parts)


class Block(nn.Module):
    def __init__(self, step: Residual) -> None:
        super().__init__()
        self.first, self.second, self.skips = dense(step.first), dense(step.second), step.skips

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        branch = self.second(self.first(h))
        return h + branch if self.skips else branch


def module(case: Case) -> nn.Sequential:
    """Float32, as is usual; "3.0" and the like are parts of step 3."""
    return nn.Sequential(*(Block(step) if isinstance(step, Residual) else dense(step) for step in case.steps))


def loss_of(case: Case) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if case.loss == "cross_entropy":
        return nn.functional.cross_entropy
    return lambda o, y: 0.5 * nn.functional.mse_loss(o, y)


def data(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.from_numpy(np.asarray(case.y))
    return torch.from_numpy(case.x).float(), y if case.loss == "cross_entropy" else y.float()


def train(case: Case, model: nn.Module, each: Callable[[Callable[[], float]], Any]) -> None:
    """As many steps of gradient descent as the case has; `each` is handed one step to take."""
    x, y = data(case)
    loss_of_case = loss_of(case)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], case.rate)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of_case(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    for _ in range(case.n_steps):
        each(step)


def steps_of(names: list[str]) -> tuple[int, ...]:
    """Which steps these modules, or parameters, belong to."""
    return tuple(sorted({int(name.split(".")[0]) for name in names if name.split(".")[0].isdigit()}))


# ---- what each tool says first ----

# A tool that names no cause is given the one that its symptom has most often.
CAUSES = {
    "dead_units": "gates",
    "saturated_units": "gates",
    "not_finite_value": "gates",
    "vanishing_gradient": "weights",
    "exploding_gradient": "weights",
}


def edgewise_watch(case: Case) -> Verdict:
    """What it says at the first step; if that is nothing, at the last."""
    from edgewise.torch import watch

    model = module(case)
    with watch(model) as watching:
        train(case, model, lambda step: step())
    for report in (watching.first, watching.report()):
        assert report is not None
        for finding in report.findings:
            if finding.severity != "note":
                steps = steps_of(report.names(finding))
                if finding.cause == "data" and finding.nodes:
                    steps = (-1,)
                elif finding.levels == (0,) and not finding.nodes:
                    steps = (len(case.steps) - 1,)
                return Verdict(finding.code, finding.cause, steps)
    return Verdict(None)


def torchmortem(case: Case) -> Verdict:
    """Its most severe finding that says something is wrong, the first of equals."""
    from torchmortem import Autopsy
    from torchmortem.types import Severity

    model = module(case)
    autopsy = Autopsy(model, sampling="thorough")
    with autopsy:
        train(case, model, lambda step: autopsy.step(loss=step()))
    report = autopsy.get_report()
    ranks = {Severity.CRITICAL: 0, Severity.WARNING: 1}
    found = sorted((f for f in report.findings if f.severity in ranks), key=lambda f: ranks[f.severity])
    codes = {
        "dead_units": "dead_units",
        "saturation": "saturated_units",
        "Vanishing gradients detected": "vanishing_gradient",
        "Exploding gradients detected": "exploding_gradient",
        "Training divergence detected": "not_finite_value",
    }
    for finding in found:
        code = codes.get(finding.category, codes.get(finding.title, finding.title.split(" in ")[0]))
        return Verdict(code, CAUSES.get(code), steps_of(finding.affected_layers))
    return Verdict(None)


def torchdiag(case: Case) -> Verdict:
    """Its check of gradients after the last step, then that of dead neurons."""
    import torchdiag as tool

    model = module(case)
    train(case, model, lambda step: step())
    gradients = tool.check_gradients(model)
    statuses = {name: found["status"].lower() for name, found in gradients.items()}
    codes = {"explode": "exploding_gradient", "vanish": "vanishing_gradient", "nan": "not_finite_value"}
    dead = tool.check_dead_neurons(model, data(case)[0])
    for sign, code in codes.items():
        where = [name for name, status in statuses.items() if sign in status]
        if where:
            return Verdict(code, CAUSES.get(code), steps_of(where))
    where = [name for name, found in dead.items() if found["dead_pct"] > 20]
    return Verdict("dead_units", "gates", steps_of(where)) if where else Verdict(None)


class _AnyNames(ModuleType):
    """A module in which every public name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def graphyco(case: Case) -> Verdict:
    """The alert it raised last, if any."""
    for name in ("", ".QtCore", ".QtGui", ".QtWidgets", ".QtWebEngineWidgets"):  # its window, which it imports first
        sys.modules.setdefault(f"PySide6{name}", _AnyNames(f"PySide6{name}"))
    from graphyco import LiveTrainingDiagnostics

    model = module(case)
    diagnostics = LiveTrainingDiagnostics(model)
    number = iter(range(case.n_steps))

    def observed(step: Callable[[], float]) -> None:
        with diagnostics.observe_step(next(number)):
            diagnostics.current_loss = step()

    train(case, model, observed)
    found = diagnostics.get_snapshot()
    diagnostics.close()
    codes = {
        "NaN": "not_finite_value",
        "Exploding": "exploding_gradient",
        "Vanishing": "vanishing_gradient",
        "dead activations": "dead_units",
    }
    for alert in reversed(found["alerts"]):
        for sign, code in codes.items():
            if sign in alert["message"]:
                named = [name for name, layer in found["layers"].items() if repr(name) in alert["message"]]
                named += [name for name in found["layers"] if f"layer {name}." in alert["message"]]
                return Verdict(code, CAUSES.get(code), steps_of(named))
    return Verdict(None)


def quietly(tool: Callable[[Case], Verdict]) -> Callable[[Case], Verdict]:
    """Without what it prints; a tool that fails says nothing."""

    def verdict(case: Case) -> Verdict:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                return tool(case)
            except Exception as error:
                print(f"{tool.__name__} failed on {case.kind} {case.seed}: {error!r}", file=sys.stderr)
                return Verdict("failed")

    return verdict
