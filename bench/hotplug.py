"""50 times in and out of each kind of device: what is left in the guest, its pod, QEMU, the agent and on the node."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bench.leftovers import COLUMNS, Held, differences, disturbed, look, violations
from e2e import machines
from e2e.console import Console, console
from e2e.kubectl import Document, Namespace, condition, eventually, status

NAME = "cycled"
COUNT = 50
FILES, RAW = "cycled-files", "cycled-raw"
"""Claims, and the names of the volumes they become."""
NETWORK = "cycled"
WARM_UP = 2
"""Cycles before the first look: memory pools and caches fill once."""
MAX_SOCKETS = 60
"""Under emulation each plug of a CPU takes one thread that QEMU never gives again."""
SETTLE_S = 150.0
"""Until what is on its way out has gone: pods, threads that wait for more work, and idle connections to the API server,
which are kept for 60 s and looked at as often."""


@dataclass(frozen=True)
class Machine:
    """The one that all cycles are run on, and its console."""

    namespace: Namespace
    guest: Console


Cycle = Callable[[Machine], None]


def measure(namespace: Namespace, kinds: Collection[str] = (), count: int = COUNT) -> Iterator[str]:
    """A line for each of `kinds` (KINDS, if none is named). Ends the program where a cycle left something behind."""
    vm = machines.vm(NAME, memory="1Gi")
    domain = vm["spec"]["template"]["spec"]["domain"]
    domain["cpu"] = {"sockets": 1, "maxSockets": MAX_SOCKETS}
    domain["devices"]["disks"].append({"name": "drive", "cdrom": {"bus": "sata"}})
    raw = machines.claim(RAW, "16Mi", storageClassName="block", volumeMode="Block")
    namespace.apply(machines.claim(FILES, "16Mi"), raw, network(), vm)
    namespace.until_phase(NAME, "Running")
    assert eventually(lambda: len(namespace.items("pods")) == 1, 120), "pods of earlier benches do not go away"
    yield "what differs after the cycles; all must be 0 but RSS (MiB), which caches and the heap's layout move"
    yield from _head()
    wrong = []
    for kind in kinds or KINDS:
        with console(namespace.name, NAME) as guest:
            guest.login(180)
            guest.run("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
            before, after, each_s = cycles(Machine(namespace, guest), KINDS[kind], count)
        if changed := disturbed(before, after):
            raise SystemExit(f"others were on the node while {kind} was cycled, so the counts say nothing: {changed}")
        yield _row(kind, count, before, after, each_s)
        wrong += [f"{kind}: {title} {what}" for title, what in violations(before, after).items()]
    namespace.kubectl("delete", "vm", NAME, "--timeout=120s")
    if wrong:
        raise SystemExit("\n".join(("left behind:", *wrong)))


def cycles(machine: Machine, cycle: Cycle, count: int) -> tuple[Held, Held, float]:
    """Plug and unplug `count` times: what was there before, what after, and the seconds of one cycle."""
    for _ in range(WARM_UP):
        cycle(machine)
    before = _settled(machine)
    started = time.monotonic()
    for _ in range(count):
        cycle(machine)
    each_s = (time.monotonic() - started) / count
    after = before

    def same() -> bool:
        nonlocal after
        after = look(machine.namespace, NAME, machine.guest)
        return not violations(before, after)

    eventually(same, SETTLE_S, 2.0)
    return before, after, each_s


def _settled(machine: Machine) -> Held:
    """A look that another one has confirmed."""
    found = look(machine.namespace, NAME, machine.guest)

    def calm() -> bool:
        nonlocal found
        earlier, found = found, look(machine.namespace, NAME, machine.guest)
        return not any(differences(earlier, found).values())

    assert eventually(calm, SETTLE_S, 2.0), "the node does not come to rest"
    return found


# The kinds


def _disk(name: str, bus: str) -> Cycle:
    def cycle(machine: Machine) -> None:
        namespace = machine.namespace
        namespace.virtctl("addvolume", NAME, "--volume-name", name, "--bus", bus)
        _until_volume(namespace, name, there=True)
        machine.guest.until(DISKS, "2")
        namespace.virtctl("removevolume", NAME, "--volume-name", name)
        _until_volume(namespace, name, there=False)
        machine.guest.until(DISKS, "1")

    return cycle


DISKS = "ls -d /sys/block/[sv]d* | wc -l"


def _disc(machine: Machine) -> None:
    source = {"persistentVolumeClaim": {"claimName": RAW, "hotpluggable": True}}  # has something on it from the start
    root = _template(machine)["volumes"][0]
    _patch(machine, {"volumes": [root, {"name": "drive", **source}]})
    _until_volume(machine.namespace, "drive", there=True)
    machine.guest.until("head -c 1 /dev/sr0 >/dev/null 2>&1 && echo there", "there")
    _patch(machine, {"volumes": [root]})
    _until_volume(machine.namespace, "drive", there=False)
    machine.guest.until("head -c 1 /dev/sr0 >/dev/null 2>&1 || echo empty", "empty")


def _memory(machine: Machine) -> None:
    """virtio-mem gives blocks and takes them back."""
    for size in ("1536Mi", "1Gi"):
        _patch(machine, {"domain": {"memory": {"guest": size}}})
        _until_quiet(machine.namespace, "HotMemoryChange", ("memory", "guestCurrent"), size)


def _cpu(machine: Machine) -> None:
    _patch(machine, {"domain": {"cpu": {"sockets": 2}}})
    _until_quiet(machine.namespace, "HotVCPUChange", ("currentCPUTopology", "sockets"), 2)
    machine.guest.until("cat /sys/devices/system/cpu/present", "0-1")
    machine.guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
    _patch(machine, {"domain": {"cpu": {"sockets": 1}}})
    _until_quiet(machine.namespace, "HotVCPUChange", ("currentCPUTopology", "sockets"), 1)
    machine.guest.until("cat /sys/devices/system/cpu/present", "0")


def _card(machine: Machine) -> None:
    spec = _template(machine)
    cards, networks = spec["domain"]["devices"]["interfaces"], spec["networks"]
    more = {"name": NETWORK, "bridge": {}}, {"name": NETWORK, "multus": {"networkName": NETWORK}}
    for has, lists in ((True, ([*cards, more[0]], [*networks, more[1]])), (False, (cards, networks))):
        _patch(machine, {"domain": {"devices": {"interfaces": lists[0]}}, "networks": lists[1]})

        def reached(vmi: Document, has: bool = has) -> bool:
            found = [one for one in status(vmi, "interfaces") or [] if one.get("name") == NETWORK]
            return bool(found) is has

        machine.namespace.until("vmi", NAME, reached, f"{'with' if has else 'without'} the second card", 90)
        machine.guest.until("ls -d /sys/class/net/eth* | wc -l", "2" if has else "1")


def network(name: str = NETWORK) -> Document:
    """A bridge on the node, by Multus."""
    plugin = {"type": "bridge", "bridge": f"br-{name}", "ipam": {}}
    config = json.dumps({"cniVersion": "0.3.1", "name": name, **plugin})
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": {"name": name}, "spec": {"config": config}}


KINDS: dict[str, Cycle] = {
    "disk scsi": _disk(FILES, "scsi"),
    "disk virtio": _disk(FILES, "virtio"),
    "disk block": _disk(RAW, "virtio"),
    "disc": _disc,
    "memory": _memory,
    "cpu": _cpu,
    "card": _card,
}


def _template(machine: Machine) -> Document:
    found: Document = machine.namespace.get("vm", NAME)["spec"]["template"]["spec"]
    return found


def _patch(machine: Machine, spec: Document) -> None:
    body = json.dumps({"spec": {"template": {"spec": spec}}})
    machine.namespace.kubectl("patch", "vm", NAME, "--type", "merge", "-p", body)


def _until_volume(namespace: Namespace, volume: str, *, there: bool) -> None:
    def reached(vmi: Document) -> bool:
        entry = next((one for one in status(vmi, "volumeStatus") or [] if one["name"] == volume), None)
        return entry is not None and entry.get("phase") == "Ready" if there else entry is None

    namespace.until("vmi", NAME, reached, f"{'with' if there else 'without'} volume {volume}", 60)


def _until_quiet(namespace: Namespace, change: str, path: tuple[str, str], wanted: object) -> None:
    def reached(vmi: Document) -> bool:
        return status(vmi, *path) == wanted and not condition(vmi, change)

    namespace.until("vmi", NAME, reached, f"with {'.'.join(path)} {wanted} and without {change}", 90)


# The table


def _head() -> Iterator[str]:
    """Two lines: whose things, and which."""
    groups = itertools.groupby(COLUMNS, lambda title: title.split()[0])
    yield f"{'':18}" + "".join(f" {who:>{5 * len(list(titles)) - 1}}" for who, titles in groups) + f"{'RSS':>12}"
    titles = "".join(f"{title.split()[1]:>5}" for title in COLUMNS)
    yield f"{'kind':12}{'cycles':>6}{titles}{'QEMU':>7}{'agent':>6}{'s/cycle':>8}"


def _row(kind: str, count: int, before: Held, after: Held, each_s: float) -> str:
    found = differences(before, after)
    rss = [late - early for early, late in zip(before.rss_mib, after.rss_mib, strict=True)]
    counts = "".join(f"{found[title]:5}" for title in COLUMNS)
    return f"{kind:12}{count:6}{counts}{rss[0]:+7.1f}{rss[1]:+6.1f}{each_s:8.1f}"
