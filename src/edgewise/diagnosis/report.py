"""`diagnose`: the budget and the findings of one batch together."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from edgewise import losses
from edgewise.diagnosis.budget import Budget
from edgewise.diagnosis.findings import Finding, find
from edgewise.diagnosis.signals import Signals, measure
from edgewise.network import Network

SCHEMA = 1


@dataclass(frozen=True)
class Report:
    """Why a network learns, or does not, as far as one batch tells."""

    network: Network
    budget: Budget
    findings: tuple[Finding, ...]
    signals: Signals

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `schema` says in which form."""
        found = [finding.to_dict() for finding in self.findings]
        return {"schema": SCHEMA, "budget": self.budget.to_dict(), "findings": found}

    def __str__(self) -> str:
        lines = [str(self.budget), ""]
        for finding in self.findings:
            where = f" (levels {', '.join(map(str, finding.levels))})" if finding.levels else ""
            lines.append(f"{finding.severity}: {finding.code}, cause: {finding.cause}{where}")
            lines += [f"    {finding.says}", f"    may help: {finding.remedy}"]
        return "\n".join(lines if self.findings else [*lines, "nothing found"])


def diagnose(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | losses.Loss,
    sample_weight: ArrayLike | None = None,
    engine: str | None = None,
    threads: int | None = None,
) -> Report:
    """What one batch says of the network: the gradient budget, and findings with cause and evidence.

    x (B, n_inputs), y, loss, sample_weight, engine, threads : as for `Network.backprop`. A few hundred samples are
    enough. The network stays as it is. Raises DataError for data that do not fit.
    """
    signals, budget = measure(net, x, y, loss, sample_weight, engine, threads)
    return Report(net, budget, find(signals), signals)
