"""Hot-plug: what a running Machine needs to become another one, as QMP commands.

`changes(current, wanted)` is pure. Each change of one device is a short list of steps, and each step names the facts
that make it needless, so a list that was cut off anywhere is simply begun again: what is done already is asked back
from QEMU (`facts`) and left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import diskdevices, disks, nics
from kubevirt_py.render.machine.blocknodes import images, node_name, with_medium
from kubevirt_py.render.machine.cpu import Cpu
from kubevirt_py.render.machine.disks import Disk
from kubevirt_py.render.machine.machine import Machine
from kubevirt_py.render.machine.memory import PLUG_ID
from kubevirt_py.render.machine.nics import Nic

DEVICE_NOT_FOUND = "DeviceNotFound"
SOCKETS = "sockets"
"""Name of the change of the number of CPU sockets."""
Part = Literal["disk", "nic", "cpu", "memory"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One QMP command.

    `needless` are facts (`!fact`: its absence) of which each says that the step's work is done. `fds` are descriptors
    by the names of `wiring.descriptor`, handed over first. A step of the `guest` is done only when the guest agrees,
    and what follows waits for it. `harmless` is a class of error that means there was nothing to do.
    """

    command: str
    arguments: Document = {}
    needless: tuple[str, ...] = ()
    fds: tuple[str, ...] = ()
    direct: bool = False
    guest: bool = False
    harmless: str = ""


class Change(msgspec.Struct, frozen=True):
    """One device that comes, goes (`leaves`) or becomes another."""

    part: Part
    name: str
    steps: tuple[Step, ...]
    leaves: bool = False


def steps(current: Machine, wanted: Machine) -> tuple[Step, ...]:
    """All steps of all changes, in order."""
    return tuple(step for change in changes(current, wanted) for step in change.steps)


def changes(current: Machine, wanted: Machine) -> tuple[Change, ...]:
    """What differs: first what goes, then what comes, so that a place that becomes free can be taken."""
    going, coming = _disk_changes(current, wanted)
    leaving, joining = _nic_changes(current, wanted)
    return (*going, *leaving, *coming, *joining, *_cpu_changes(current.cpu, wanted.cpu), *_memory(current, wanted))


def remaining(change: Change, facts: Collection[str]) -> tuple[Step, ...]:
    """The steps of a change that are still to be taken."""
    return tuple(step for step in change.steps if not any(_holds(fact, facts) for fact in step.needless))


def _holds(fact: str, facts: Collection[str]) -> bool:
    return fact[1:] not in facts if fact.startswith("!") else fact in facts


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


# Disks


def _disk_changes(current: Machine, wanted: Machine) -> tuple[list[Change], list[Change]]:
    going, coming = [], []
    before, after = {disk.name: disk for disk in current.disks}, {disk.name: disk for disk in wanted.disks}
    for disk in current.disks:
        other = after.get(disk.name)
        if other is not None and disk.kind == other.kind == "cdrom":
            if disk.index != other.index or disk.leftovers:
                coming.append(Change("disk", disk.name, tuple(_change_medium(disk, other))))
        elif other is None or disk.index != other.index:  # another volume of that name comes when this one has gone
            going.append(Change("disk", disk.name, tuple(_unplug_disk(disk)), leaves=True))
    coming += [Change("disk", disk.name, tuple(_plug_disk(disk))) for disk in wanted.disks if disk.name not in before]
    return going, coming


def _plug_disk(disk: Disk) -> Iterator[Step]:
    device = f"device:{disks.device_id(disk.name)}"
    if disk.iothread:
        thread = disks.iothread_id(disk)
        yield Step(
            command="object-add",
            arguments={"qom-type": "iothread", "id": thread},
            needless=(f"object:{thread}", device),
        )
    yield from _open_medium(disk, device)
    yield Step(command="device_add", arguments=diskdevices.front_device(disk), needless=(device,))


def _open_medium(disk: Disk, through: str) -> Iterator[Step]:
    """Descriptors and block nodes of a disk's images; `through` is the fact that says that all is done."""
    for image in images(disk) if not disk.empty else ():
        yield Step(
            command="add-fd",
            arguments={"fdset-id": image.fdset, "opaque": image.name},
            fds=(image.name,),
            direct=image.direct,
            needless=(f"fdset:{image.fdset}={image.name}", through),
        )
        for node in image.nodes:
            yield Step(command="blockdev-add", arguments=node, needless=(f"node:{node['node-name']}", through))


def _unplug_disk(disk: Disk) -> Iterator[Step]:
    device = disks.device_id(disk.name)
    yield Step(command="device_del", arguments={"id": device}, needless=(f"!device:{device}",), guest=True)
    yield from _close_medium(disk)
    if disk.iothread:
        thread = disks.iothread_id(disk)
        yield Step(command="object-del", arguments={"id": thread}, needless=(f"!object:{thread}",))


def _close_medium(disk: Disk) -> Iterator[Step]:
    """The reverse of _open_medium: the guest's node first, the file below it next."""
    for image in reversed(images(disk)) if not disk.empty else ():
        for node in reversed(image.nodes):
            name = node["node-name"]
            yield Step(command="blockdev-del", arguments={"node-name": name}, needless=(f"!node:{name}",))
        yield Step(
            command="remove-fd",
            arguments={"fdset-id": image.fdset},
            needless=(f"!fdset:{image.fdset}={image.name}",),
        )


def _change_medium(old: Disk, new: Disk) -> Iterator[Step]:
    """Another disc, or none, in a drive that stays. A guest that uses the old one keeps the tray closed for as long."""
    device = disks.device_id(new.name)
    in_place = f"medium:{device}={node_name(new)}"
    media = (old.medium, *old.leftovers)
    # A drive with one of several media has none of the others: each is taken out by steps of its own.
    for each in (with_medium(old, one) for one in media if one.source is not None and one.index != new.index):
        gone = f"!medium:{device}={node_name(each)}"
        yield Step(
            command="blockdev-open-tray", arguments={"id": device}, needless=(f"tray:{device}", gone), guest=True
        )
        yield Step(command="blockdev-remove-medium", arguments={"id": device}, needless=(gone,))
        yield from _close_medium(each)
    if not new.empty:
        yield Step(
            command="blockdev-open-tray", arguments={"id": device}, needless=(f"tray:{device}", in_place), guest=True
        )
        yield from _open_medium(new, in_place)
        yield Step(
            command="blockdev-insert-medium",
            arguments={"id": device, "node-name": node_name(new)},
            needless=(in_place,),
        )
    yield Step(command="blockdev-close-tray", arguments={"id": device}, needless=(f"!tray:{device}",))


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
