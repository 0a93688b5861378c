"""The long mode: thousands of draws an operator, with a summary.

    ./dev draws [--draws N] [--first SEED] [--ops REGEX] [--show N] [--scripts] [--examples]
    ./dev draws OP:SEED ...          these draws alone, as scripts
"""
import argparse
import collections
import contextlib
import re
import sys
import time

from .run import script
from .differences import DIFFERENCES
from .session import EXAMPLES, EXAMPLES_FILE, OPERATORS, Session


def bar(done, total, since, text):
    if sys.stderr.isatty() or done == total:
        width = 30 * done // total
        left = (time.monotonic() - since) / max(1, done) * (total - done)
        print(f"\r[{'#' * width}{'.' * (30 - width)}] {done}/{total} operators, {left:.0f} s left, {text:40.40}",
              end="\n" if done == total else "", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="draws", description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000, help="of each operator")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--ops", default="", help="a regular expression of operators' names")
    parser.add_argument("--show", type=int, default=3, help="differences shown of an operator")
    parser.add_argument("--scripts", action="store_true", help="a script for each difference shown")
    parser.add_argument("--examples", action="store_true", help="write examples.txt: draws that show what the first 20 do not")
    parser.add_argument("one", nargs="*", help="OP:SEED")
    options = parser.parse_args()
    counts, reasons, verdicts_of, first_seen = collections.Counter(), collections.Counter(), {}, {}
    with contextlib.closing(Session()) as session:
        for one in options.one:
            op, seed = one.rsplit(":", 1)
            for d, kind, found, _ in session.verdicts(op, [int(seed)]):
                print(f"{d.id}: {kind}", *found, "", script(d), sep="\n")
        if options.one:
            return 0
        ops = [op for op in OPERATORS if re.search(options.ops, op)]
        since = time.monotonic()
        for number, op in enumerate(ops):
            bar(number, len(ops), since, op)
            mine = collections.Counter()
            left = []
            for start in range(options.first, options.first + options.draws, 20):
                end = min(start + 20, options.first + options.draws)
                for d, kind, found, entries in session.verdicts(op, range(start, end)):
                    mine[kind] += 1
                    reasons.update((op, e.reason) for e in set(entries))
                    for e in entries:
                        first_seen.setdefault(e, d)
                    if kind == "differs":
                        left.append((d, found))
            counts.update(mine)
            verdicts_of[op] = mine
            for d, found in left[:options.show]:
                print(f"{d.id} {d.dtype} {d.params} {d.shapes()} {d.reqs}", *[f"    {f}" for f in found], sep="\n", flush=True)
                if options.scripts:
                    print("\n".join("    | " + line for line in script(d).splitlines()))
        bar(len(ops), len(ops), since, "")
    total = sum(counts.values())
    print(f"\n{total} draws of {len(ops)} operators: " + ", ".join(f"{n} {kind}" for kind, n in counts.most_common()))
    for (op, reason), n in sorted(reasons.items()):
        print(f"  {n:6} {op}: {reason}")
    if options.examples:
        elsewhere = {f"{op}:{seed}" for op, seeds in EXAMPLES.items() if op not in ops for seed in seeds}
        shown = sorted(elsewhere | {d.id for d in first_seen.values() if d.seed >= 20})
        EXAMPLES_FILE.write_text("".join(line + "\n" for line in shown))
        print("without an example:", *[f"  {' '.join(e.ops)}: {e.reason}" for e in DIFFERENCES if e not in first_seen], sep="\n")
    quiet = [op for op, c in verdicts_of.items() if not c["agreed"]]
    if quiet:
        print("never agreed on a value:", ", ".join(quiet))
    unexplained = {op: c["differs"] for op, c in verdicts_of.items() if c["differs"]}
    if unexplained:
        print("not explained:", ", ".join(f"{op} {n}" for op, n in unexplained.items()))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
