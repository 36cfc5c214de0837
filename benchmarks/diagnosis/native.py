"""What Edgewise says of a case, as a network of its own."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

import edgewise as ew
from benchmarks.diagnosis.cases import Case, Dense, Residual


@dataclass
class Verdict:
    """What a tool says first, and of which steps; code None if it says that nothing is wrong."""

    code: str | None
    cause: str | None = None
    where: tuple[int, ...] = ()


def network(case: Case) -> tuple[ew.Network, list[int]]:
    """The network, and of each node the step it belongs to, -1 for inputs."""
    n_in = case.x.shape[1]
    step_of, activation = [-1] * n_in, ["identity"] * n_in
    bias: list[float] = [0.0] * n_in
    tails: list[np.ndarray] = []
    heads: list[np.ndarray] = []
    weights: list[np.ndarray] = []

    def dense(before: np.ndarray, step: Dense, at: int) -> np.ndarray:
        nodes = np.arange(len(step_of), len(step_of) + len(step.bias))
        step_of.extend([at] * len(nodes))
        activation.extend([step.activation] * len(nodes))
        bias.extend(step.bias.tolist())
        tails.append(np.tile(before, len(nodes)))
        heads.append(np.repeat(nodes, len(before)))
        weights.append(step.weight.reshape(-1))
        return nodes

    nodes = np.arange(n_in)
    for at, step in enumerate(case.steps):
        if isinstance(step, Residual):
            after = dense(dense(nodes, step.first, at), step.second, at)
            if step.skips:
                tails.append(nodes)
                heads.append(after)
                weights.append(np.ones(len(nodes)))
            nodes = after
        else:
            nodes = dense(nodes, step, at)
    arrays = (np.concatenate(parts) for parts in (tails, heads, weights))
    return ew.Network(*arrays, bias=bias, activation=activation, inputs=np.arange(n_in), outputs=nodes), step_of


def verdict(case: Case) -> Verdict:
    """Of the network as drawn; if nothing is wrong with it, of the same after training."""
    net, step_of = network(case)
    found = _first(net, case, step_of)
    if found.code is None:
        with suppress(ew.DataError):  # where the loss is no longer finite, the last finite network stays
            ew.fit(
                net,
                case.x,
                case.y,
                loss=case.loss,
                optimizer=ew.SGD(case.rate),
                batch_size=len(case.x),
                epochs=case.n_steps,
                progress=False,
            )
        found = _first(net, case, step_of)
    return found


def _first(net: ew.Network, case: Case, step_of: list[int]) -> Verdict:
    report = ew.diagnose(net, case.x, case.y, loss=case.loss)
    for finding in report.findings:
        if finding.severity != "note":
            return Verdict(finding.code, finding.cause, tuple(sorted(set(_where(net, finding, step_of)))))
    return Verdict(None)


def _where(net: ew.Network, finding: ew.Finding, step_of: list[int]) -> Iterator[int]:
    """The steps of a finding's levels. A row of the budget is of the weights from its level on, and the gates they
    lead to: of the nodes one level on."""
    on = 1 if finding.code in ("vanishing_gradient", "exploding_gradient") else 0
    levels = [level - on for level in finding.levels]
    for node in np.flatnonzero(np.isin(net.depth, levels)).tolist():
        yield step_of[node]
