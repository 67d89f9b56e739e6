"""Measure everything: `python -m bench [writes start memory agent hotplug network]`."""

from __future__ import annotations

import secrets
import sys

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
    wanted = sys.argv[1:] or list(BENCHES)
    namespace = Namespace(f"bench-{secrets.token_hex(3)}")
    run("kubectl", "create", "namespace", namespace.name)
    try:
        for name in wanted:
            print(f"\n## {name}")
            for row in BENCHES[name](namespace):
                print(row, flush=True)
    finally:
        run("kubectl", "delete", "namespace", namespace.name, timeout_s=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
