"""Fuzzes admission: random objects of every kind, from the schemas of the CRDs, past every rule that would judge them.

`hack/fuzz` runs it; no rule may raise. With --server a sample goes through a real API server and virt-api's webhooks:
no answer may be 500.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from kubevirt_py.api.crd_kinds import KINDS
from tests.behaviour.admission import judge

CHUNK = 200
SHOWN = 10


def main(argv: list[str]) -> int:
    """Exit code 1 where a rule raised."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000, help="how many, spread evenly over the kinds")
    parser.add_argument("--seed", type=int, default=0, help="of the first object; the others follow")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(argv)
    chunks = [(first, min(CHUNK, options.objects - first)) for first in range(0, options.objects, CHUNK)]
    started, verdicts, failures = time.monotonic(), Counter[str](), []
    with ProcessPoolExecutor(options.jobs) as pool:
        for counted, failed in pool.map(_run, [(options.seed + first, count) for first, count in chunks]):
            verdicts += counted
            failures += failed
    print(f"{'kind':40} {'verdicts':>10}")
    for kind in KINDS:
        print(f"{kind.kind:40} {verdicts[kind.kind]:>10}")
    took = time.monotonic() - started
    print(f"{options.objects} objects, {verdicts.total()} verdicts, {len(failures)} exceptions, {took:.0f} s")
    for text in failures[:SHOWN]:
        sys.stderr.write(text)
    return 1 if failures else 0


def _run(chunk: tuple[int, int]) -> tuple[Counter[str], list[str]]:
    """The objects from one seed on: verdicts by kind, and what was raised."""
    first, count = chunk
    verdicts, failures = Counter[str](), []
    for seed in range(first, first + count):
        kind = KINDS[seed % len(KINDS)]
        try:
            verdicts[kind.kind] += judge(kind, seed)
        except Exception:
            failures.append(f"{kind.kind}, seed {seed}:\n{traceback.format_exc()}\n")
    return verdicts, failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
