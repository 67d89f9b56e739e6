"""What a guest, its QEMU, its pod, its node's agent and its node have at one moment, and what differs at another.

Read on the machine that carries the nodes: descriptors, threads, links and mounts are in /proc.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cgroups import MIB, processes, smaps
from e2e.console import Console
from e2e.kubectl import Namespace, run
from e2e.test_resilience import inventory

SYSTEM = Namespace("kubevirt")
IN_GUEST = {
    "disk": "/sys/block/*",
    "pci": "/sys/bus/pci/devices/*",
    "nic": "/sys/class/net/*",
    "cpu": "/sys/devices/system/cpu/cpu[0-9]*",
    "mem": "/sys/devices/system/memory/memory[0-9]*",
}
"""Where a guest's kernel shows what it has; `mem` are blocks of memory."""
ON_NODE = {
    "link": ("node links",),
    "mnt": ("node mounts", "agent mounts"),
    "loop": ("node loops",),
    "file": ("agent files",),
}
"""What counts of the inventory of a node."""
COLUMNS = (
    *("QEMU fds", "QEMU thr", "agent fds", "agent thr"),
    *(f"guest {title}" for title in IN_GUEST),
    *("pod link", "pod mnt"),
    *(f"node {title}" for title in ON_NODE),
    "all pods",
)
"""What must be the same after as before."""


@dataclass(frozen=True)
class Held:
    """One look. `counts` and `names` have the columns between them; `surroundings` are what others have there."""

    counts: Mapping[str, int]
    names: Mapping[str, frozenset[str]]
    rss_mib: tuple[float, float]
    surroundings: frozenset[str]


def look(namespace: Namespace, name: str, guest: Console) -> Held:
    """All of it, for the machine `name`, whose console is `guest`."""
    (pod,) = namespace.launcher_pods(name)
    node = pod["spec"]["nodeName"]
    agents = [one for one in SYSTEM.items("pods", "kubevirt.io=virt-handler") if one["spec"]["nodeName"] == node]
    qemu = _process(pod["metadata"]["uid"], b"qemu-system")
    agent = _process(agents[0]["metadata"]["uid"], b"virt-handler")
    counts = {
        f"{who} {title}": len(os.listdir(process / folder))
        for who, process in (("QEMU", qemu), ("agent", agent))
        for title, folder in (("fds", "fd"), ("thr", "task"))
    }
    seen = guest.run(f"ls -d {' '.join(IN_GUEST.values())}").split()
    names = {f"guest {title}": frozenset(fnmatch.filter(seen, pattern)) for title, pattern in IN_GUEST.items()}
    names |= {
        "pod link": frozenset(line.split(":")[0].strip() for line in _lines(qemu / "net/dev")[2:]),
        "pod mnt": frozenset(_lines(qemu / "mountinfo")),
        "all pods": frozenset(one["metadata"]["name"] for one in namespace.items("pods")),
    }
    there = inventory(node)
    for title, kinds in ON_NODE.items():
        names[f"node {title}"] = frozenset(f"{kind} {one}" for kind in kinds for one in there[kind])
    return Held(
        counts=counts,
        names=names,
        rss_mib=(smaps(qemu)["Rss"] / MIB, smaps(agent)["Rss"] / MIB),
        surroundings=frozenset((*_strangers(namespace, node), f"process {agent.name} of virt-handler")),
    )


def differences(before: Held, after: Held) -> dict[str, int]:
    """By column: how many more, or how many that only one of the looks has."""
    counted = {title: after.counts[title] - count for title, count in before.counts.items()}
    return counted | {title: len(after.names[title] ^ found) for title, found in before.names.items()}


def violations(before: Held, after: Held) -> dict[str, str]:
    """By column: what must not be. A process may have fewer descriptors and threads than before."""
    found = {title: f"{count:+}" for title, count in differences(before, after).items() if count > 0}
    for title in found.keys() & before.names.keys():
        late, early = after.names[title], before.names[title]
        found[title] = ", ".join(f"{'more' if one in late else 'less'}: {one}" for one in sorted(late ^ early))
    return found


def disturbed(before: Held, after: Held) -> str:
    """What others changed meanwhile on the node, which counts as if it were the guest's; empty where nothing was."""
    return ", ".join(sorted(before.surroundings ^ after.surroundings))


def _strangers(namespace: Namespace, node: str) -> Iterable[str]:
    """Pods of others on the node, and volumes of others, whose loop devices every node sees."""
    text = run("kubectl", "get", "pods", "-A", "--field-selector", f"spec.nodeName={node}", "-o", "json")
    for pod in json.loads(text)["items"]:
        meta = pod["metadata"]
        if meta["namespace"] != namespace.name:
            yield f"pod {meta['namespace']}/{meta['name']} {meta['uid']}"
    for volume in json.loads(run("kubectl", "get", "pv", "-o", "json"))["items"]:
        claim = volume["spec"].get("claimRef") or {}
        if claim.get("namespace") != namespace.name:
            yield f"volume {volume['metadata']['name']}"


def _process(pod_uid: str, word: bytes) -> Path:
    return next(one for one in processes(pod_uid) if word in (one / "cmdline").read_bytes())


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()
