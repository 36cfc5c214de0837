"""Who says rightly why a network does not learn: python -m benchmarks.diagnosis --write docs/diagnosis.md.

Thirteen kinds of faults and three of healthy networks, twenty seeds each, drawn and labelled by `cases`; every tool has
the same networks, data and training. Counted are causes and places that are right; of healthy networks, those of which
a tool says that nothing is wrong. The other tools come with pip install torchmortem torchdiag graphyco.
"""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmarks import tables
from benchmarks.diagnosis import cases, modules, native
from benchmarks.diagnosis.cases import Case
from benchmarks.diagnosis.native import Verdict

COMMAND = "python -m benchmarks.diagnosis --write docs/diagnosis.md"
Tool = Callable[[Case], Verdict]
Score = dict[str, tuple[int, int, int]]
"""Of each kind: causes right, places right, cases that a tool can be asked about."""

TOOLS: dict[str, Tool] = {
    "ew.diagnose": native.verdict,
    "edgewise.torch.watch": modules.edgewise_watch,
    "torchmortem": modules.torchmortem,
    "torchdiag": modules.torchdiag,
    "graphyco": modules.graphyco,
}


def right_place(found: tuple[int, ...], label: tuple[int, ...]) -> bool:
    """Half of both together in both."""
    return 2 * len({*found} & {*label}) >= len({*found} | {*label})


def score(name: str, tool: Tool, seeds: range, kinds: list[str], show: bool) -> Score:
    found = {}
    for make in (*cases.HEALTHY, *cases.BROKEN):
        kind = make.__name__
        if kind not in kinds or (kind == "frozen" and tool is native.verdict):
            continue  # a network of its own has no weights that are not trained
        causes = places = 0
        for seed in seeds:
            case = cases.drawn(make, seed)
            verdict = tool(case)
            cause = verdict.cause == case.cause if case.cause else verdict.code is None
            place = cause if not case.cause else verdict.code is not None and right_place(verdict.where, case.where)
            causes, places = causes + cause, places + place
            if show and not (cause and place):
                print(f"    seed {seed}: {verdict}; label {case.cause} {case.where}", file=sys.stderr)
        found[kind] = (causes, places, len(seeds))
        print(f"{name:20} {kind:24} cause {causes:3}, place {places:3} of {len(seeds)}", flush=True)
    return found


def markdown(scores: dict[str, Score]) -> str:
    n_cases = max(row[2] for found in scores.values() for row in found.values())
    lines = [
        f"Cause / place right, of {n_cases} cases each: `{COMMAND}`.",
        "",
        f"| | {' | '.join(f'`{name}`' if '.' in name else name for name in scores)} |",
        "|---|" + "---:|" * len(scores),
    ]
    for make in (*cases.HEALTHY, *cases.BROKEN):
        kind, cells = make.__name__, []
        for found in scores.values():
            causes, places, _ = found.get(kind, (0, 0, 0))
            cells.append("–" if kind not in found else str(causes) if make in cases.HEALTHY else f"{causes} / {places}")
        lines.append(f"| {kind.replace('_', ' ')} | {' | '.join(cells)} |")
    totals: list[list[str]] = [[], [], []]
    for found in scores.values():
        broken = [found[make.__name__] for make in cases.BROKEN if make.__name__ in found]
        healthy = [found[make.__name__] for make in cases.HEALTHY if make.__name__ in found]
        for at in (0, 1):
            totals[at].append(_percent(sum(row[at] for row in broken), sum(row[2] for row in broken)))
        n = sum(row[2] for row in healthy)
        totals[2].append(_percent(n - sum(row[0] for row in healthy), n))
    for name, cells in zip(("cause right", "place right", "false alarms"), totals, strict=True):
        lines.append(f"| **{name}** | {' | '.join(f'**{cell}**' for cell in cells)} |")
    return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    every = [make.__name__ for make in (*cases.HEALTHY, *cases.BROKEN)]
    parser.add_argument("--kind", action="append", choices=every, help="only this kind; may be given several times")
    parser.add_argument("--tool", action="append", choices=list(TOOLS), help="only this tool")
    parser.add_argument("--show", action="store_true", help="show each case that is not told rightly")
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the table into this Markdown file")
    args = parser.parse_args()
    scores = {}
    for name, tool in TOOLS.items():
        if args.tool and name not in args.tool:
            continue
        if tool is not native.verdict and find_spec(name.split(".")[0]) is None:
            print(f"{name} is not installed", file=sys.stderr)
            continue
        seeds = range(args.first, args.first + args.seeds)
        quiet = tool if tool is native.verdict else modules.quietly(tool)
        scores[name] = score(name, quiet, seeds, args.kind or every, args.show)
    table = markdown(scores)
    print(f"\n{table}")
    if args.write:
        tables.put(args.write, table)


if __name__ == "__main__":
    main()
