"""Hot-plug: what a running Machine needs to become another one, as QMP commands.

`changes(current, wanted)` is pure. Each change of one device is a short list of steps, and each step names the facts
that make it needless, so a list that was cut off anywhere is simply begun again: what is done already is asked back
from QEMU (`facts`) and left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import nics
from kubevirt_py.render.machine.cpu import Cpu
from kubevirt_py.render.machine.diskplug import disk_changes
from kubevirt_py.render.machine.disks import Disk
from kubevirt_py.render.machine.machine import Machine
from kubevirt_py.render.machine.memory import PLUG_ID
from kubevirt_py.render.machine.nics import Nic
from kubevirt_py.render.machine.plugsteps import DEVICE_NOT_FOUND, Change, Step

SOCKETS = "sockets"
"""Name of the change of the number of CPU sockets."""


def steps(current: Machine, wanted: Machine) -> tuple[Step, ...]:
    """All steps of all changes, in order."""
    return tuple(step for change in changes(current, wanted) for step in change.steps)


def changes(current: Machine, wanted: Machine) -> tuple[Change, ...]:
    """What differs: first what goes, then what comes, so that a place that becomes free can be taken."""
    going, coming = disk_changes(current.disks, wanted.disks)
    leaving, joining = _nic_changes(current, wanted)
    return (*going, *leaving, *coming, *joining, *_cpu_changes(current.cpu, wanted.cpu), *_memory(current, wanted))


def applied(current: Machine, change: Change, wanted: Machine) -> Machine:
    """The machine once this change is through."""
    if change.part == "disk":
        disks_now = _with(current.disks, () if change.leaves else wanted.disks, change.name)
        return msgspec.structs.replace(current, disks=disks_now)
    if change.part == "nic":
        return msgspec.structs.replace(
            current, nics=_with(current.nics, () if change.leaves else wanted.nics, change.name)
        )
    if change.part == "cpu":
        return msgspec.structs.replace(current, cpu=wanted.cpu)
    return msgspec.structs.replace(current, memory=wanted.memory)


def underway(current: Machine, goal: Machine | None, wanted: Machine) -> Machine:
    """The machine to start from when work towards `goal` was cut off and something else is wanted now.

    What may be half plugged and is wanted no more, or in another way, counts as plugged: it will be taken out.
    """
    if goal is None:
        return current
    known, final = {disk.name for disk in current.disks}, {(disk.name, disk.index) for disk in wanted.disks}
    half = tuple(disk for disk in goal.disks if disk.name not in known and (disk.name, disk.index) not in final)
    cards, last = {nic.name for nic in current.nics}, {nic.name for nic in wanted.nics}
    torn = tuple(nic for nic in goal.nics if nic.name not in cards | last)
    drives = torn_drives(current, goal, final)
    # Sockets that were to come or go count as whatever is not wanted, so that they are looked at.
    cpu = goal.cpu if current.cpu.sockets == wanted.cpu.sockets else current.cpu
    return msgspec.structs.replace(current, disks=(*drives, *half), nics=(*current.nics, *torn), cpu=cpu)


def with_cpus_to_check(machine: Machine, facts: Collection[str]) -> Machine | None:
    """A goal that has the CPUs looked at, where some have gone that nobody wants gone (any more)."""
    cpu = machine.cpu
    if all(f"device:{_cpu_id(*place)}" in facts for place in _places(cpu, cpu.sockets)):
        return None
    return msgspec.structs.replace(machine, cpu=msgspec.structs.replace(cpu, sockets=cpu.least_sockets))


def torn_drives(current: Machine, goal: Machine, final: Collection[tuple[str, int]] = ()) -> tuple[Disk, ...]:
    """The current disks; drives whose disc was being changed carry what that may have left, but for `final` media."""
    media = {disk.name: disk.medium for disk in goal.disks if disk.kind == "cdrom"}
    found = []
    for disk in current.disks:
        known = dict.fromkeys((*disk.leftovers, media.get(disk.name, disk.medium)))
        left = tuple(one for one in known if one.index != disk.index and (disk.name, one.index) not in final)
        found.append(msgspec.structs.replace(disk, leftovers=left))
    return tuple(found)


def facts(
    peripherals: Iterable[Document],
    objects: Iterable[Document],
    nodes: Iterable[Document],
    fdsets: Iterable[Document],
    blocks: Iterable[Document],
) -> frozenset[str]:
    """Facts from the answers of qom-list (/machine/peripheral, /objects), query-named-block-nodes, query-fdsets and
    query-block. They come from QEMU, so nothing in them is taken for granted.
    """
    found = {f"device:{one.get('name')}" for one in peripherals if str(one.get("type")).startswith("child<")}
    found |= {f"object:{one.get('name')}" for one in objects if str(one.get("type")).startswith("child<")}
    found |= {f"node:{one.get('node-name')}" for one in nodes}
    for fdset in fdsets:
        found |= {f"fdset:{fdset.get('fdset-id')}={fd.get('opaque')}" for fd in fdset.get("fds") or ()}
    for block in blocks:
        if block.get("tray_open"):
            found.add(f"tray:{block.get('qdev')}")
        if node := (block.get("inserted") or {}).get("node-name"):
            found.add(f"medium:{block.get('qdev')}={node}")
    return frozenset(found)


# Network cards


def _nic_changes(current: Machine, wanted: Machine) -> tuple[list[Change], list[Change]]:
    before, after = {nic.name: nic for nic in current.nics}, {nic.name: nic for nic in wanted.nics}
    going = [
        Change("nic", nic.name, tuple(_unplug_nic(nic)), leaves=True) for nic in current.nics if nic.name not in after
    ]
    coming = []
    for nic in wanted.nics:
        old = before.get(nic.name)
        if old is None:
            coming.append(Change("nic", nic.name, tuple(_plug_nic(nic))))
        elif old.link_up != nic.link_up:
            coming.append(Change("nic", nic.name, (_set_link(nic),)))
    return going, coming


def _plug_nic(nic: Nic) -> Iterator[Step]:
    """QEMU does not tell its backends, so a half-made one is removed first."""
    device = f"device:{nics.device_id(nic.name)}"
    yield _remove_backend(nic, device)
    backend, fds = nics.backend(nic)
    yield Step(command="netdev_add", arguments=backend, fds=fds, needless=(device,))
    yield Step(command="device_add", arguments=nics.front_device(nic), needless=(device,))
    if not nic.link_up:
        yield _set_link(nic)


def _unplug_nic(nic: Nic) -> Iterator[Step]:
    device = nics.device_id(nic.name)
    yield Step(command="device_del", arguments={"id": device}, needless=(f"!device:{device}",), guest=True)
    yield _remove_backend(nic)


def _remove_backend(nic: Nic, *needless: str) -> Step:
    return Step(
        command="netdev_del",
        arguments={"id": nics.backend_id(nic.name)},
        needless=needless,
        harmless=DEVICE_NOT_FOUND,
    )


def _set_link(nic: Nic) -> Step:
    return Step(command="set_link", arguments={"name": nics.device_id(nic.name), "up": nic.link_up})


# CPUs and memory


def _cpu_changes(current: Cpu, wanted: Cpu) -> list[Change]:
    """Whole sockets that join or leave; those of the start stay, for most systems cannot lose the first CPU.

    A change that was cut off may have left any of the others, so each is looked at, whichever way the number goes.
    """
    if current.sockets == wanted.sockets:
        return []
    places = _places(current, max(current.sockets, wanted.sockets, wanted.max_sockets))
    going = [_unplug_cpu(*place) for place in reversed(places) if place[0] >= wanted.sockets]
    coming = [_plug_cpu(wanted, *place) for place in places if place[0] < wanted.sockets]
    return [Change("cpu", SOCKETS, (*going, *coming), leaves=wanted.sockets < current.sockets)]


def _plug_cpu(cpu: Cpu, socket: int, core: int, thread: int) -> Step:
    name = _cpu_id(socket, core, thread)
    arguments: dict[str, Any] = {
        "driver": f"{cpu.model}-x86_64-cpu",
        "id": name,
        "socket-id": socket,
        "core-id": core,
        "thread-id": thread,
    }
    return Step(command="device_add", arguments=arguments, needless=(f"device:{name}",))


def _unplug_cpu(socket: int, core: int, thread: int) -> Step:
    name = _cpu_id(socket, core, thread)
    return Step(command="device_del", arguments={"id": name}, needless=(f"!device:{name}",), guest=True)


def _places(cpu: Cpu, sockets: int) -> list[tuple[int, int, int]]:
    """Socket, core and thread of each CPU beyond those of the start."""
    numbers = range(cpu.least_sockets, sockets), range(cpu.cores), range(cpu.threads)
    return list(itertools.product(*numbers))


def _cpu_id(socket: int, core: int, thread: int) -> str:
    return f"vcpu-{socket}-{core}-{thread}"


def _memory(current: Machine, wanted: Machine) -> list[Change]:
    """What the guest is asked to take; how much it took QEMU tells in time (MEMORY_DEVICE_SIZE_CHANGE)."""
    plug = wanted.memory.plug
    if plug is None or current.memory.current_kib == wanted.memory.current_kib:
        return []
    arguments = {
        "path": f"/machine/peripheral/{PLUG_ID}",
        "property": "requested-size",
        "value": plug.requested_kib << 10,
    }
    return [Change("memory", PLUG_ID, (Step(command="qom-set", arguments=arguments),))]


def _with(old: tuple[Any, ...], new: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """`old` with the item of this name as it is in `new`: replaced, added or taken out."""
    item = next((one for one in new if one.name == name), None)
    if item is None:
        return tuple(one for one in old if one.name != name)
    if any(one.name == name for one in old):
        return tuple(item if one.name == name else one for one in old)
    return (*old, item)
