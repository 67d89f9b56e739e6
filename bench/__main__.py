"""Measure everything, or what is named: `python -m bench [writes start memory agent hotplug network]`."""

from __future__ import annotations

import argparse
import secrets
import sys
from functools import partial

from bench import agent, hotplug, memory, network, start, writes
from e2e.kubectl import Namespace, run

BENCHES = {
    "writes": writes.measure,
    "start": start.measure,
    "memory": memory.measure,
    "agent": agent.measure,
    "hotplug": hotplug.measure,
    "network": network.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("benches", nargs="*", help=f"of {', '.join(BENCHES)}; all if none is named")
    parser.add_argument("--kind", action="append", choices=hotplug.KINDS, help="of device for hotplug; repeatable")
    parser.add_argument("--count", type=int, default=hotplug.COUNT, help="cycles of each kind for hotplug")
    options = parser.parse_args()
    benches = BENCHES | {"hotplug": partial(hotplug.measure, kinds=options.kind or (), count=options.count)}
    namespace = Namespace(f"bench-{secrets.token_hex(3)}")
    run("kubectl", "create", "namespace", namespace.name)
    try:
        for name in options.benches or benches:
            print(f"\n## {name}")
            for row in benches[name](namespace):
                print(row, flush=True)
    finally:
        run("kubectl", "delete", "namespace", namespace.name, timeout_s=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
