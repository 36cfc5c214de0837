"""`diagnose`: the budget and the findings of one batch together, and what became of them where a remedy was tried.
`repair` applies one."""

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from edgewise import losses
from edgewise.arrays import FloatArray
from edgewise.diagnosis import remedies
from edgewise.diagnosis.budget import Budget, together
from edgewise.diagnosis.findings import Finding, find
from edgewise.diagnosis.signals import Batch, Signals, measure, read
from edgewise.errors import DataError, FormatError
from edgewise.network import Network

if TYPE_CHECKING:
    from anywidget import AnyWidget

SCHEMA = 1
TRIED_ON = 256
"""samples at most, since every trial runs both passes several times"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One remedy, and what a network is like with it."""

    remedy: str
    """its name in `edgewise.diagnosis.remedies`"""
    finding: Finding
    """which it was tried for"""
    network: Network
    """a network of its own; the same as before where it is the data that changed"""
    budget: Budget
    findings: tuple[Finding, ...]
    """all that is found then"""
    of_data: bool
    """whether the data were changed and not the network"""

    @property
    def solved(self) -> bool:
        """Whether the finding is gone and nothing as severe has come in its place."""
        left = [finding for finding in self.findings if finding.severity != "note"]
        return not any(finding.severity == "error" or finding.code == self.finding.code for finding in left)

    @property
    def says(self) -> str:
        """What the remedy does."""
        return " ".join((remedies.REMEDIES[self.remedy].__doc__ or "").split("\n\n")[0].split())

    @property
    def worth(self) -> tuple[bool, int, int, float]:
        """Smallest is best: solved, then fewest errors, then fewest warnings, then the smallest change from the loss to
        the last level."""
        beyond = together(self.budget.rows[1:]).total_db
        errors, warnings = (
            sum(finding.severity == severity for finding in self.findings) for severity in ("error", "warning")
        )
        return not self.solved, errors, warnings, abs(beyond) if np.isfinite(beyond) else np.inf

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "remedy": self.remedy,
            "for": self.finding.code,
            "says": self.says,
            "solved": self.solved,
            "budget": self.budget.to_dict(),
            "findings": [finding.code for finding in self.findings if finding.severity != "note"],
        }


@dataclass(frozen=True)
class Report:
    """Why a network learns, or does not, as far as one batch tells."""

    network: Network
    budget: Budget
    findings: tuple[Finding, ...]
    signals: Signals
    batch: Batch = field(repr=False)

    @cached_property
    def nodes(self) -> dict[str, FloatArray]:
        """(N,) of each node: `weights_db`, `gates_db`, `interference_db`, `total_db` from it to the loss, `closed`, the
        share of samples for which its gate is nearly closed, and `share`, its own in the gradient's path energy."""
        share = self.signals.share
        nothing = np.full(self.network.n_nodes, np.nan)
        return self.budget.of_nodes() | {
            "closed": self.signals.closed,
            "share": nothing if share is None else share,
        }

    @cached_property
    def spread(self) -> dict[str, float]:
        """How much samples differ: of what arrives at the last level, in dB, the 5th, 50th and 95th percentile of
        samples."""
        last = self.budget.sensitivity[:, self.budget.depth == self.budget.depth.max()]
        with np.errstate(divide="ignore"):
            arrived = 20 * np.log10(np.sqrt(np.square(last).mean(axis=1)))
        return {f"p{q:02}": float(np.percentile(arrived, q, method="nearest")) for q in (5, 50, 95)}

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every remedy for each finding that is more than a note, tried on the batch; the best of each first. They are
        tried when first asked for: each runs the passes again."""
        found: list[Trial] = []
        for finding in self.findings:
            if finding.severity != "note":
                found += sorted(_tried(self.network, self.batch, finding), key=lambda trial: trial.worth)
        return tuple(found)

    def show(self) -> "AnyWidget":
        """All of it as a widget in a notebook. Raises MissingDependencyError without `edgewise[notebook]`."""
        from edgewise.diagnosis import overview
        from edgewise.view import widget

        return widget.show(overview.of_report(self))

    def save(self, path: str | PathLike[str]) -> None:
        """Write all of it to a file, whole or not at all: `.html`, a page to look at, or `.json`, `to_dict()`.

        Raises FormatError for another suffix, and if it cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".html":
            from edgewise.diagnosis import overview
            from edgewise.view import page

            page.write(path, overview.of_report(self), title="Report")
        elif suffix == ".json":
            from edgewise.formats import atomic
            from edgewise.view import machine

            atomic.write_text(path, machine.as_json(self.to_dict()) + "\n")
        else:
            raise FormatError(f"a report is written to .html or .json, not to {str(path)!r}")

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `schema` says in which form."""
        return {
            "schema": SCHEMA,
            "budget": self.budget.to_dict(),
            "spread_db": {name: number if np.isfinite(number) else str(number) for name, number in self.spread.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "trials": [trial.to_dict() for trial in self.trials],
        }

    def __str__(self) -> str:
        return "\n".join([str(self.budget), "", *self.found()])

    def found(self) -> list[str]:
        """The findings as lines of text, with remedies tried."""
        lines = []
        for finding in self.findings:
            where = f" (levels {', '.join(map(str, finding.levels))})" if finding.levels else ""
            lines.append(f"{finding.severity}: {finding.code}, cause: {finding.cause}{where}")
            lines += [f"    {finding.says}", f"    may help: {finding.remedy}"]
            lines += [f"    tried {_outcome(trial)}" for trial in self.trials if trial.finding is finding]
        return lines or ["nothing found"]


def _outcome(trial: Trial) -> str:
    whole = together(trial.budget.rows[1:])
    left = [finding.code for finding in trial.findings if finding.severity != "note"]
    after = "nothing more is found" if not left else f"then: {', '.join(left)}"
    parts = f"weights {whole.weights_db:+.0f}, gates {whole.gates_db:+.0f}, interference {whole.interference_db:+.0f}"
    return f"{trial.remedy}: {whole.total_db:+.0f} dB ({parts}); {after}"


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
    """What one batch says of the network: the gradient budget, findings with cause and evidence, and remedies tried.

    x (B, n_inputs), y, loss, sample_weight, engine, threads : as for `Network.backprop`. A few hundred samples are
    enough. The network stays as it is. Raises DataError for data that do not fit.
    """
    batch = read(net, x, y, loss, sample_weight, engine, threads)
    signals, budget = measure(net, batch)
    return Report(net, budget, find(signals), signals, batch)


def repair(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | losses.Loss,
    remedy: str | None = None,
    sample_weight: ArrayLike | None = None,
    engine: str | None = None,
    threads: int | None = None,
) -> Network:
    """A network of its own with a remedy for the first finding applied; one that nothing is found in as it is.

    remedy : its name, one of those in `Report.trials`; None is the one that was best when tried.

    One change at a time: what is found in the network that is returned, call again for. Raises DataError for a remedy
    that cannot be applied here, if none has a remedy, and where it is the data that have to change.
    """
    report = diagnose(net, x, y, loss=loss, sample_weight=sample_weight, engine=engine, threads=threads)
    first = next((finding for finding in report.findings if finding.severity != "note"), None)
    if first is None and remedy is None:
        return net.copy()
    if remedy is not None and remedy not in remedies.REMEDIES:
        raise DataError(f"there is no remedy {remedy!r}; use one of {', '.join(remedies.REMEDIES)}")
    trials = [trial for trial in report.trials if remedy is None or trial.remedy == remedy]
    if not trials:
        tried = ", ".join(dict.fromkeys(trial.remedy for trial in report.trials)) or "none"
        what = "nothing" if first is None else f"{first.code} (cause: {first.cause})"
        raise DataError(f"no such remedy applies here, where {what} is found; those that do: {tried}")
    if trials[0].of_data:
        found = trials[0].finding
        raise DataError(f"{found.code} is a matter of the data, not of the network: {found.remedy}")
    return trials[0].network


def _tried(net: Network, batch: Batch, finding: Finding) -> list[Trial]:
    some, found = batch.first(TRIED_ON), []
    for name in remedies.FOR.get((finding.code, finding.cause), ()):
        changed = remedies.REMEDIES[name](net, some, finding)
        if changed is not None:
            signals, budget = measure(*changed)
            found.append(Trial(name, finding, changed[0], budget, find(signals), changed[1] is not some))
    return found
