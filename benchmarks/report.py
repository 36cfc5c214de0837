"""The report of a run: as text while it goes on, as Markdown and as JSON when it is done."""

import json
import textwrap
from dataclasses import asdict
from typing import Any

from benchmarks.machine import Machine
from benchmarks.results import Figure, Report, RowResult, Target, Timed

_VERDICTS = {"aim": "reaches the aim", "must": "holds", "met": "holds", "below": "**below**", "": ""}


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            return f"{number(value / size)} {unit}"
    return ""


def amount(figure: Figure) -> str:
    if figure.unit == "s":
        return seconds(figure.value)
    return f"{number(figure.value)}{'' if figure.unit == '×' else ' '}{figure.unit}"


def _bound(value: float | None, figure: Figure) -> str:
    if value is None:
        return ""
    shown = f"{value:,g}{'' if figure.unit == '×' else ' '}{figure.unit}"
    return f"≤ {shown}" if figure.less_is_better else shown


# ---- text ----


def row_text(row: RowResult) -> str:
    lines = [f"{row.name}: {row.title}"]
    width = max((len(side.name) for side in row.sides), default=0)
    for side in row.sides:
        if side.failure:
            lines.append(f"  {side.name:{width}}  {side.failure}")
            continue
        parts = [f"{seconds(side.median):>9}", f"best {seconds(side.best)} of {side.samples}"]
        if side.ratio is not None:
            parts.append(amount(side.ratio) + _target_text(side.ratio))
        if side.ratio_of_bests is not None and row.disturbed:
            parts.append(f"of bests {number(side.ratio_of_bests)}×")
        if side.error is not None:
            parts.append(f"{'agrees to' if side.agrees else 'DISAGREES by'} {side.error:.0e}")
        if side.prepared is not None and side.prepared > 5:
            parts.append(f"first result after {seconds(side.prepared)}")
        if side.note:
            parts.append(side.note)
        lines.append(f"  {side.name:{width}}  {'; '.join(parts)}")
    lines += [f"  {figure.what}: {amount(figure)}{_target_text(figure)}" for figure in row.figures]
    if row.disturbed:
        lines.append(f"  {_disturbed(row)}")
    return "\n".join(lines)


def _disturbed(row: RowResult) -> str:
    return f"NOT QUIET: meanwhile other programs used {100 * row.others:.0f} % of the processors' time"


def _target_text(figure: Figure) -> str:
    if figure.target is None:
        return ""
    aim = "" if figure.target.aim is None else f", aim {_bound(figure.target.aim, figure)}"
    return f" ({_VERDICTS[figure.verdict].strip('*')}: must {_bound(figure.target.must, figure)}{aim})"


# ---- Markdown ----


def markdown(report: Report, limits: dict[str, str]) -> str:
    """limits : each row's paragraph; the row's own is used where there is none."""
    parts = [_HEAD.format(command=report.command), _machine(report.machine, report.date)]
    if report.quick:
        parts.append("**This was a quick run: its numbers are rough, and some rows and peers were left out.**")
    parts += ["## Summary", _summary(report.rows), "## Each row"]
    for row in report.rows:
        parts += [f"### {row.title}", _sides(row), _figures(row)]
        if row.disturbed:
            parts.append(f"**{_disturbed(row)}.**")
        parts.append(_prose(limits.get(row.name, row.limit)))
    return "\n\n".join(part for part in parts if part) + "\n"


_HEAD = """\
# Performance

This page is written by a program, which times Edgewise beside other libraries on this machine, in the same run, on the
same inputs, and checks that all come to the same numbers:

```sh
{command}
```

- **A call** is all of a Python call: for Edgewise from NumPy arrays in to NumPy arrays out, for PyTorch from tensors to
  filled `.grad`, for JAX until its arrays are ready. It is forward, backward and the gradients of all weights and
  biases, in float32, of the squared error against random numbers unless the row says otherwise. **A step** is one
  minibatch of training, with all that the loop around it does.
- The sides take turns, forth and back; a sample is repeated calls for at least 40 milliseconds, after untimed ones.
  The time shown is the median. **Ratio** is a peer's time over Edgewise's, of medians; that of the best times is beside
  it.
- **Agrees to** is max|a−b| / max|b| between a peer's numbers and Edgewise's, the largest of all that are compared.
- GF/s counts 6 flop for each arc and sample (a multiply and an add forward, backward, and for the weight's gradient),
  whether or not the first layer's backward part is needed. **Memory** is the least traffic the work needs, each weight,
  gradient, value and sensitivity passing once; **rows** is what arcs ask for, mostly from caches.
- **First result** is the time from the network's arrays to the first gradients: building, tracing, compiling.
- Each side uses as many threads as the process may. Where other programs used more than a twentieth of the processors'
  time, it is said: threads that wait for each other in a loop then wait very long."""


def _machine(machine: Machine, date: str) -> str:
    memory = f", {number(machine.memory / 2**30)} GiB of memory" if machine.memory else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    text = (
        f"Measured on {date}: {machine.processor}, {machine.threads} threads, {machine.vector};"
        f" {machine.caches}{memory}; {machine.system}."
        f" Its float32 matrix product reaches {number(machine.sgemm / 1e9)} GF/s"
        f" ({machine.sgemm_by}), a copy of large arrays {number(machine.bandwidth / 1e9)} GB/s read and written."
        f" {versions}."
    )
    return textwrap.fill(text, 120)


def _summary(rows: list[RowResult]) -> str:
    lines = ["| work | figure | measured | must | aim | |", "|---|---|---|---|---|---|"]
    for row in rows:
        held = [side.ratio for side in row.sides if side.ratio is not None] + row.figures
        for figure in held:
            target = figure.target
            if target is not None:
                cells = [row.title, figure.what, amount(figure), *_targets(target, figure), _VERDICTS[figure.verdict]]
                lines.append("| " + " | ".join(cells) + " |")
        lines += [f"| {row.title} | against {side.name} | {side.failure} | | | |" for side in row.sides if side.failure]
    return "\n".join(lines)


def _targets(target: Target, figure: Figure) -> tuple[str, str]:
    return _bound(target.must, figure), _bound(target.aim, figure)


def _sides(row: RowResult) -> str:
    lines = ["| | time | best | ratio | of bests | must | aim | agrees to | first result |", "|" + 9 * "---|"]
    for side in row.sides:
        name = side.name + (f" ({side.note})" if side.note else "")
        if side.failure:
            lines.append(f"| {name} | {side.failure} | | | | | | | |")
            continue
        ratio = side.ratio
        bounds = _targets(ratio.target, ratio) if ratio is not None and ratio.target is not None else ("", "")
        cells = [
            name,
            seconds(side.median),
            seconds(side.best),
            amount(ratio) if ratio is not None else "",
            f"{number(side.ratio_of_bests)}×" if side.ratio_of_bests is not None else "",
            *bounds,
            _agreement(side),
            seconds(side.prepared) if side.prepared is not None and side.prepared >= 1 else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _agreement(side: Timed) -> str:
    if side.error is None:
        return ""
    return f"{side.error:.0e}" if side.agrees else f"**{side.error:.0e}, too far**"


def _figures(row: RowResult) -> str:
    return textwrap.fill("; ".join(f"{figure.what} {amount(figure)}" for figure in row.figures) + ".", 120)


def _prose(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120)


# ---- JSON ----


def to_json(report: Report) -> str:
    return json.dumps(asdict(report), indent=1, ensure_ascii=False)


def from_json(text: str) -> Report:
    found: dict[str, Any] = json.loads(text)
    return Report(
        Machine(**found["machine"]),
        found["date"],
        found["command"],
        found["quick"],
        [
            RowResult(
                row["name"],
                row["title"],
                row["limit"],
                [Timed(**(side | {"ratio": _figure(side["ratio"])})) for side in row["sides"]],
                [made for figure in row["figures"] if (made := _figure(figure)) is not None],
                row["others"],
            )
            for row in found["rows"]
        ],
    )


def _figure(found: dict[str, Any] | None) -> Figure | None:
    if found is None:
        return None
    return Figure(**(found | {"target": Target(**found["target"]) if found["target"] else None}))
