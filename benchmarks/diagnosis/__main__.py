"""Who says rightly why a network does not learn: python -m benchmarks.diagnosis --write docs/diagnosis.md.

Thirteen kinds of faults and three of healthy networks, twenty seeds each, drawn and labelled by `cases`.
"""

import argparse
import sys
from collections import defaultdict

from benchmarks.diagnosis import cases, native


def right_place(found: tuple[int, ...], label: tuple[int, ...]) -> bool:
    """Half of both together in both."""
    return 2 * len({*found} & {*label}) >= len({*found} | {*label})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", help="one kind")
    parser.add_argument("--show", action="store_true", help="each case that is not told rightly")
    args = parser.parse_args()
    for make in (*cases.HEALTHY, *cases.BROKEN):
        if args.only not in (None, make.__name__):
            continue
        right: dict[str, int] = defaultdict(int)
        for seed in range(args.first, args.first + args.seeds):
            case = cases.drawn(make, seed)
            verdict = native.verdict(case)
            good = verdict.cause == case.cause
            right["cause"] += good
            right["symptom"] += verdict.code in case.symptom if case.cause else verdict.code is None
            right["place"] += right_place(verdict.where, case.where)
            if args.show and not (good and right_place(verdict.where, case.where)):
                print("   ", seed, verdict, "label:", case.cause, case.symptom, case.where, file=sys.stderr)
        print(f"{make.__name__:24}" + "".join(f"{right[name]:6}" for name in ("symptom", "cause", "place")))


if __name__ == "__main__":
    main()
