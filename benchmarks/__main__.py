"""`python -m benchmarks`"""

import argparse
import datetime
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from benchmarks import machine, report, rows
from benchmarks.results import Report, RowResult, Timed

COMMAND = "python -m benchmarks --write docs/performance.md"

DESCRIPTION = """\
Time Edgewise beside other libraries: the same networks, the same inputs, in one process, in turns; and check that all
come to the same numbers. Each row prints every side's time, how many times longer than Edgewise's it is, and what that
is held to: "must" is the least that will do, "aim" what should be in reach.

Peers are optional: pip install ".[benchmark]", and SparseProp with
  pip install pybind11 setuptools && pip install --no-build-isolation sparseprop
TensorNEAT is not on PyPI: pip install --no-deps git+https://github.com/EMI-Group/tensorneat.git
One that is missing is told of in its place, and the others are run.
"""

EPILOG = """\
examples:
  python -m benchmarks --quick                            a rough picture in a few minutes
  python -m benchmarks --only dag-20k --only dense-2      the rows whose names contain either
  python -m benchmarks --write docs/performance.md        everything, and the report (about a quarter of an hour)
  python -m benchmarks --json > run.json                  everything, as JSON
  python -m benchmarks --read run.json --write report.md  the report of that run, without running again

Close other programs first: numbers are only as quiet as the machine. Use `taskset -c 0,1` to choose processors; each
side uses as many threads as there are. The exit code is 1 if Edgewise fails or a peer's numbers disagree with it,
whatever the times are.
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="rows whose name contains NAME")
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions; without the largest networks and what is slow to build"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the report as Markdown")
    parser.add_argument("--json", action="store_true", help="print JSON when done, and the text to stderr")
    parser.add_argument("--read", metavar="FILE", type=Path, help="take the numbers from an earlier run's JSON")
    options = parser.parse_args(arguments)

    chosen = [row for row in rows.ALL if not options.only or any(part in row.name for part in options.only)]
    if options.list:
        for row in rows.ALL:
            print(f"{row.name:18} {row.title}")
        return 0
    if not chosen:
        parser.error(f"no row's name contains {' or '.join(options.only)}; --list shows them")
    if options.write is not None and options.only:
        parser.error("--write is for the whole report; leave out --only")

    if options.read is not None:
        try:
            found = report.from_json(options.read.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as caught:
            parser.error(f"{options.read} cannot be read as a run's JSON: {caught!r}")
        for result in found.rows:
            print(report.row_text(result), "\n", file=sys.stderr if options.json else sys.stdout)
    else:
        found = _run(chosen, options.quick, sys.stderr if options.json else sys.stdout)
    if options.write is not None:
        options.write.write_text(report.markdown(found, {row.name: row.limit for row in rows.ALL}), encoding="utf-8")
        print(f"wrote {options.write}", file=sys.stderr)
    if options.json:
        print(report.to_json(found))
    return 0 if all(result.sound for result in found.rows) else 1


def _run(chosen: list[rows.Row], quick: bool, out: TextIO) -> Report:
    say = _Status()
    began = time.perf_counter()
    say("measuring the machine")
    this = machine.measure(quick)
    say("")
    print(
        f"{this.processor}, {this.threads} threads, {this.vector}: sgemm {report.number(this.sgemm / 1e9)} GF/s "
        f"({this.sgemm_by}), copy {report.number(this.bandwidth / 1e9)} GB/s\n",
        file=out,
        flush=True,
    )
    results = []
    for row in chosen:
        if quick and row.heavy:
            continue
        others = machine.Others()
        try:
            result = row.measure(this, quick, lambda what, name=row.name: say(f"{name}: {what}"))
        except Exception as caught:  # one row's failure is told of in its place
            text = (str(caught).strip() or "no message").splitlines()[0]
            result = RowResult(
                row.name, row.title, row.limit, [Timed("Edgewise", failure=f"{type(caught).__name__}: {text}")]
            )
        result = replace(result, others=others.share())
        say("")
        results.append(result)
        print(report.row_text(result) + "\n", file=out, flush=True)
    print(f"{len(results)} rows in {report.seconds(time.perf_counter() - began)}", file=sys.stderr)
    return Report(this, datetime.date.today().isoformat(), COMMAND, quick, results)


class _Status:
    """A line on a terminal that says what is going on, and goes away."""

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
