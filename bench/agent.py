"""P8: memory of virt-handler without machines and for each further one, and its CPU per idle machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.cgroups import MIB, processes, smaps
from e2e import machines
from e2e.kubectl import Document, Namespace, condition, eventually, status

SYSTEM = Namespace("kubevirt")
MACHINES = 6
IDLE_S = 30.0
REST_S, REST_CORE = 10.0, 0.1  # a guest at rest: QEMU's share of a core over that time


def measure(namespace: Namespace) -> Iterator[str]:
    agent = next(pod for pod in SYSTEM.items("pods", "kubevirt.io=virt-handler") if status(pod, "phase") == "Running")
    node = agent["spec"]["nodeName"]
    process = _process(agent, b"virt-handler")
    before = smaps(process)
    rss, pss = before["Rss"] / MIB, before["Pss"] / MIB
    yield f"virt-handler on {node}, no machine of ours: RSS {rss:.1f} MiB, PSS {pss:.1f} MiB (P8 target 80)"
    alone = _share(process)
    yield f"CPU without them: {alone:.4f} core"
    names = [f"agent-{number}" for number in range(MACHINES)]
    for name in names:
        namespace.apply(machines.vmi(name, node=node))
    for name in names:
        namespace.until_phase(name, "Running", 300)
        namespace.until("vmi", name, lambda vmi: condition(vmi, "AgentConnected"), "connected to its agent", 300)
    guests = [_process(pod, b"qemu-system") for name in names for pod in namespace.launcher_pods(name)]
    if not eventually(lambda: all(share < REST_CORE for share in _shares(guests, REST_S)), 300):
        raise TimeoutError(f"guests are not at rest: {_shares(guests, REST_S)} core")
    after = smaps(process)
    each = (after["Rss"] / MIB - rss) / MACHINES
    yield f"with {MACHINES}: RSS {after['Rss'] / MIB:.1f} MiB, per machine {each:.2f} MiB (P8 target 1)"
    share = _share(process)
    per_machine = (share - alone) / MACHINES
    yield f"CPU with {MACHINES} idle machines: {share:.4f} core, per machine {per_machine:.5f} (P8 target 0.0005)"
    for name in names:
        namespace.kubectl("delete", "vmi", name, "--wait=false")


def _process(pod: Document, word: bytes) -> Path:
    """The process of a pod with that word in its command line."""
    (process, *_) = [
        process for process in processes(pod["metadata"]["uid"]) if word in (process / "cmdline").read_bytes()
    ]
    return process


def _share(process: Path) -> float:
    return _shares([process], IDLE_S)[0]


def _shares(watched: list[Path], time_s: float) -> list[float]:
    """The share of a core that each process uses over that time."""
    used = [_cpu_s(process) for process in watched]
    time.sleep(time_s)
    return [(_cpu_s(process) - before) / time_s for process, before in zip(watched, used, strict=True)]


def _cpu_s(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
