"""50 times in and out of each kind of device: what is left in the guest, QEMU, the agent and on the node.

Measured on the machine that carries the nodes: descriptors and memory are read from /proc.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.cgroups import MIB, processes, smaps
from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Document, Namespace, eventually, status

SYSTEM = Namespace("kubevirt")
NAME = "cycled"
COUNT = 50
CLAIM = "cycled"
NETWORK = "cycled"
WARM_UP = 2
"""Cycles before the first count: memory pools and caches fill once."""


@dataclass(frozen=True)
class Growth:
    """What is more after the cycles than before. `descriptors` and `rss_mib` are QEMU's and the agent's."""

    descriptors: tuple[int, int]
    rss_mib: tuple[float, float]
    block_devices: int
    directories: int


def measure(namespace: Namespace) -> Iterator[str]:
    vm = machines.vm(NAME, memory="1Gi")
    vm["spec"]["template"]["spec"]["domain"]["devices"]["disks"].append({"name": "drive", "cdrom": {"bus": "sata"}})
    namespace.apply(claim(CLAIM), network(), vm)
    namespace.until_phase(NAME, "Running")
    with console(namespace.name, NAME) as guest:
        guest.login(180)
        guest.run("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
    yield f"{'kind':12} {'cycles':>6} {'fds QEMU':>9} {'fds agent':>9} {'RSS QEMU':>9} {'RSS agent':>9} guest node"
    for kind in KINDS:
        found = cycles(namespace, NAME, kind, COUNT, CLAIM)
        (fds, agent_fds), (rss, agent_rss) = found.descriptors, found.rss_mib
        rest = f"{found.block_devices:+5} {found.directories:+4}"
        yield f"{kind:12} {COUNT:6} {fds:+9} {agent_fds:+9} {rss:+9.1f} {agent_rss:+9.1f} {rest}"
    namespace.kubectl("delete", "vm", NAME, "--wait=false")


def claim(name: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
    }


def cycles(
    namespace: Namespace, name: str, kind: str, count: int, claim_name: str, *, warm_up: int = WARM_UP
) -> Growth:
    """Plug and unplug `count` times and compare."""
    with console(namespace.name, name) as guest:
        guest.login(180)
        cycle = KINDS[kind]
        for _ in range(warm_up):
            cycle(namespace, name, claim_name)
        before = _count(namespace, name, guest)
        for _ in range(count):
            cycle(namespace, name, claim_name)
        # Pods that are on their way out are no leak.
        eventually(lambda: not namespace.items("pods", "kubevirt.io=hotplug-disk"), 60)
        eventually(lambda: _count(namespace, name, guest)[0] <= before[0], 15)
        after = _count(namespace, name, guest)
    return Growth(
        descriptors=(after[0][0] - before[0][0], after[0][1] - before[0][1]),
        rss_mib=(after[1][0] - before[1][0], after[1][1] - before[1][1]),
        block_devices=after[2] - before[2],
        directories=after[3] - before[3],
    )


def _disk(bus: str) -> Callable[[Namespace, str, str], None]:
    def cycle(namespace: Namespace, name: str, claim_name: str) -> None:
        namespace.virtctl("addvolume", name, "--volume-name", claim_name, "--bus", bus)
        _until(namespace, name, claim_name, lambda one: one.get("phase") == "Ready", "Ready")
        namespace.virtctl("removevolume", name, "--volume-name", claim_name)
        _until(namespace, name, claim_name, lambda one: not one, "gone")

    return cycle


def _disc(namespace: Namespace, name: str, claim_name: str) -> None:
    source = {"persistentVolumeClaim": {"claimName": claim_name, "hotpluggable": True}}
    root = namespace.get("vm", name)["spec"]["template"]["spec"]["volumes"][0]
    _patch(namespace, name, {"volumes": [root, {"name": "drive", **source}]})
    _until(namespace, name, "drive", lambda one: one.get("phase") == "Ready", "Ready")
    _patch(namespace, name, {"volumes": [root]})
    _until(namespace, name, "drive", lambda one: not one, "gone")


def _memory(namespace: Namespace, name: str, _: str) -> None:
    """virtio-mem gives blocks and takes them back."""
    now = namespace.get("vm", name)["spec"]["template"]["spec"]["domain"]["memory"]["guest"]
    for size in ("1536Mi", now):
        _patch(namespace, name, {"domain": {"memory": {"guest": size}}})
        wanted = size

        def reached(vmi: Document, wanted: str = wanted) -> bool:
            return status(vmi, "memory", "guestCurrent") == wanted

        namespace.until("vmi", name, reached, f"with {wanted} of memory", 60)


def _card(namespace: Namespace, name: str, _: str) -> None:
    spec = namespace.get("vm", name)["spec"]["template"]["spec"]
    cards, networks = spec["domain"]["devices"]["interfaces"], spec["networks"]
    more = {"name": NETWORK, "bridge": {}}, {"name": NETWORK, "multus": {"networkName": NETWORK}}
    for has, lists in ((True, ([*cards, more[0]], [*networks, more[1]])), (False, (cards, networks))):
        _patch(namespace, name, {"domain": {"devices": {"interfaces": lists[0]}}, "networks": lists[1]})

        def reached(vmi: Document, has: bool = has) -> bool:
            found = [one for one in status(vmi, "interfaces") or [] if one.get("name") == NETWORK]
            return bool(found) is has

        namespace.until("vmi", name, reached, f"{'with' if has else 'without'} the second card", 90)


def network(name: str = NETWORK) -> Document:
    """A bridge on the node, by Multus."""
    plugin = {"type": "bridge", "bridge": f"br-{name}", "ipam": {}}
    config = json.dumps({"cniVersion": "0.3.1", "name": name, **plugin})
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": {"name": name}, "spec": {"config": config}}


KINDS: dict[str, Callable[[Namespace, str, str], None]] = {
    "disk scsi": _disk("scsi"),
    "disk virtio": _disk("virtio"),
    "disc": _disc,
    "memory": _memory,
    "card": _card,
}


def _patch(namespace: Namespace, name: str, spec: Document) -> None:
    body = json.dumps({"spec": {"template": {"spec": spec}}})
    namespace.kubectl("patch", "vm", name, "--type", "merge", "-p", body)


def _until(
    namespace: Namespace, name: str, volume: str, wanted: Callable[[Document], bool], what: str, timeout_s: float = 60
) -> None:
    def look(vmi: Document) -> bool:
        entries = status(vmi, "volumeStatus") or []
        return wanted(next((one for one in entries if one["name"] == volume), {}))

    namespace.until("vmi", name, look, f"with volume {volume} {what}", timeout_s)


def _count(namespace: Namespace, name: str, guest: Console) -> tuple[tuple[int, int], tuple[float, float], int, int]:
    """Descriptors and MiB of QEMU and of the node's agent, the guest's block devices, the node's device directories."""
    (pod,) = namespace.launcher_pods(name)
    node = pod["spec"]["nodeName"]
    agents = [one for one in SYSTEM.items("pods", "kubevirt.io=virt-handler") if one["spec"]["nodeName"] == node]
    qemu = _process(pod["metadata"]["uid"], b"qemu-system")
    agent = _process(agents[0]["metadata"]["uid"], b"virt-handler")
    fds = (len(os.listdir(qemu / "fd")), len(os.listdir(agent / "fd")))
    rss = (smaps(qemu)["Rss"] / MIB, smaps(agent)["Rss"] / MIB)
    directories = len(os.listdir(agent / "root/run/kubevirt-agent/dev"))
    return fds, rss, int(guest.run("ls /sys/block | wc -l")), directories


def _process(pod_uid: str, word: bytes) -> Path:
    return next(one for one in processes(pod_uid) if word in (one / "cmdline").read_bytes())
