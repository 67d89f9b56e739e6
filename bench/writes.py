"""P1: API writes of our components for one VM start, from the API server's audit log."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from e2e import machines
from e2e.kubectl import Document, Namespace, condition, eventually

AUDIT_LOG = Path(os.environ.get("AUDIT_LOG", "/var/lib/kubevirt-py/kvpy/log/audit.log"))
WRITES = {"create", "update", "patch", "delete"}
COUNTED_APART = {"events", "leases"}
ROUNDS = 3


def measure(namespace: Namespace) -> Iterator[str]:
    """One row per kind of write, averaged over a few starts, until the VM is Ready."""
    yield f"audit log: {AUDIT_LOG}"
    position = AUDIT_LOG.stat().st_size
    names = [f"writes-{number}" for number in range(ROUNDS)]
    for name in names:
        namespace.apply(machines.vm(name))
        namespace.until("vm", name, lambda vm: condition(vm, "Ready").get("status") == "True", "ready")
    counted: Counter[str] = Counter()
    apart: Counter[str] = Counter()
    for entry in _entries(position):
        reference = entry.get("objectRef", {})
        user = entry["user"]["username"]
        ours = user.startswith("system:serviceaccount:kubevirt:")
        if not ours or entry["verb"] not in WRITES or entry["stage"] != "ResponseComplete":
            continue
        if reference.get("namespace") != namespace.name:
            continue
        what = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        row = f"{user.rpartition(':')[2]:22} {entry['verb']:7} {what:32} {entry['responseStatus']['code']}"
        (apart if reference["resource"] in COUNTED_APART else counted)[row] += 1
    for row, count in sorted(counted.items()):
        yield f"{row}  {count / ROUNDS:.2f} per start"
    writes, others = sum(counted.values()) / ROUNDS, sum(apart.values()) / ROUNDS
    yield f"P1 writes per VM start: {writes:.2f} (target 5), events apart: {others:.2f}"
    for name in names:
        namespace.kubectl("delete", "vm", name, "--timeout=120s")


def _entries(position: int) -> list[Document]:
    found: list[Document] = []

    def complete() -> bool:
        with AUDIT_LOG.open() as log:
            log.seek(position)
            found[:] = [json.loads(line) for line in log if line.endswith("\n")]
        return bool(found)

    eventually(complete, 10)
    return found
