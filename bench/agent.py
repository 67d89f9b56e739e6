"""P8: memory of virt-handler without machines and for each further one, and its CPU per idle machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.cgroups import MIB, processes, smaps
from e2e import machines
from e2e.kubectl import Namespace, status

SYSTEM = Namespace("kubevirt")
MACHINES = 6
IDLE_S = 30.0


def measure(namespace: Namespace) -> Iterator[str]:
    agent = next(pod for pod in SYSTEM.items("pods", "kubevirt.io=virt-handler") if status(pod, "phase") == "Running")
    node = agent["spec"]["nodeName"]
    (process, *_) = [
        process
        for process in processes(agent["metadata"]["uid"])
        if b"virt-handler" in (process / "cmdline").read_bytes()
    ]
    before = smaps(process)
    rss, pss = before["Rss"] / MIB, before["Pss"] / MIB
    yield f"virt-handler on {node}, no machine of ours: RSS {rss:.1f} MiB, PSS {pss:.1f} MiB (P8 target 80)"
    names = [f"agent-{number}" for number in range(MACHINES)]
    for name in names:
        namespace.apply(machines.vmi(name, memory="64Mi", node=node))
    for name in names:
        namespace.until_phase(name, "Running", 300)
    time.sleep(IDLE_S)
    after = smaps(process)
    each = (after["Rss"] / MIB - rss) / MACHINES
    yield f"with {MACHINES}: RSS {after['Rss'] / MIB:.1f} MiB, per machine {each:.2f} MiB (P8 target 1)"
    used = _cpu_s(process)
    time.sleep(IDLE_S)
    share = (_cpu_s(process) - used) / IDLE_S
    yield f"CPU with {MACHINES} idle machines: {share:.4f} core, per machine {share / MACHINES:.5f} (P8 target 0.0005)"
    for name in names:
        namespace.kubectl("delete", "vmi", name, "--wait=false")


def _cpu_s(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
