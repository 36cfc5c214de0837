"""`edgewise report`: all that is known of a run or a network, in one page."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise import formats
from edgewise.cli.app import Json, app
from edgewise.cli.arguments import (
    LabelFile,
    LossName,
    PreprocessingFile,
    TargetNode,
    read_inputs,
    read_objective,
)
from edgewise.diagnosis import diagnose, overview
from edgewise.errors import DataError
from edgewise.view import machine, page, text


@app.command(epilog="Example: `edgewise report edgewise-run/digits --out report.html`")
def report(
    subject: Annotated[
        Path, typer.Argument(metavar="RUN|NETWORK", help="A folder that `edgewise train` wrote, or a network's file.")
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="For a run a table with its columns, the held-out rows if left out; for a network a file of inputs.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write, .html.")] = Path("report.html"),
    target: TargetNode = None,
    loss: LossName = None,
    labels: LabelFile = None,
    preprocessing: PreprocessingFile = None,
    as_json: Json = False,
) -> None:
    """Write a page that shows how training went and what becomes of the gradient, for reading, keeping and printing.

    Learning curves of a run; the gradient budget as a waterfall; values, gates and sensitivities of every node, level
    by level; how they are distributed; what is wrong, on which evidence, with remedies that were tried; the network.
    Click on a finding, a level or a node, and its nodes light up everywhere. The page is one file that loads nothing.
    """
    page.check_name(out)
    if subject.is_dir():
        if any(option is not None for option in (target, loss, labels, preprocessing)):
            raise DataError("a run has its own loss, labels and preprocessing; give none of them with it")
        from edgewise import run_overview

        found = run_overview.of_run(subject, source)
    else:
        found = _of_network(subject, source, target, loss, labels, preprocessing)
    page.write(out, found, title=f"{subject.name}: report")
    if as_json:
        findings = [
            {"code": f["code"], "cause": f["cause"], "severity": f["severity"], "levels": f["levels"]}
            for f in found["report"]["findings"] or ()
        ]
        print(machine.as_json({"written": str(out), "bytes": out.stat().st_size, "findings": findings}))
    else:
        print(text.printable(f"wrote {out}; open it in a browser"))


def _of_network(
    path: Path,
    source: str | None,
    target: str | None,
    loss: str | None,
    labels: Path | None,
    preprocessing: Path | None,
) -> overview.Data:
    net = formats.load(path)
    facts = [("network", path.name)]
    if source is None:
        if any(option is not None for option in (target, loss, labels, preprocessing)):
            raise DataError("--target, --loss, --labels and --preprocessing are of samples; give DATA with them")
        return overview.of_network(net, facts=facts)
    x = read_inputs(net, Path(source), preprocessing)
    asked, _ = read_objective(net, target, loss, labels)
    facts.append(("diagnosed over", f"{len(x):,} {'sample' if len(x) == 1 else 'samples'} of {source}"))
    if loss is None:
        return overview.of_target(net, x, asked["target"], facts=facts)
    return overview.of_report(diagnose(net, x, **asked), facts=facts)
