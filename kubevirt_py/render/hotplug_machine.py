"""What a running machine shall become: the VMI's spec as it is now, as far as a running machine can follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.hotplug_volumes import hotplug_volumes, with_volumes
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, NicWire, machine_from_vmi
from kubevirt_py.render.machine.cpu import Cpu, following, worn_out
from kubevirt_py.render.machine.hotplug import torn_drives
from kubevirt_py.render.network.binding import ABSENT
from kubevirt_py.render.pod_volumes import claim_of


@dataclass(frozen=True, kw_only=True)
class Becoming:
    """A `running` machine on its way to `spec`; `goal` is what it was on its way to before, if anything.

    `cpus` and `memory` say whether the pod has been given what the spec wants of these.
    """

    running: Machine
    goal: Machine | None
    spec: Document
    uid: str
    cpus: bool
    memory: bool

    def reachable(self, opened: Mapping[str, DiskFile], wires: tuple[NicWire, ...]) -> tuple[Machine, dict[str, str]]:
        """The machine with the disks, cards, CPUs and memory of the spec, and why some do not come, by name.

        `opened` are volumes whose descriptors are at hand. A newcomer without a free place, or that its storage does
        not suit, is left out: it keeps none of the others. Raises ValueError for what is wrong with the rest.
        """
        try:
            return self._whole(opened, wires), {}
        except ValueError:
            both = _together(self.running, self.goal)
        here = {disk.name: disk.file.source for disk in both.disks if not disk.empty}
        cards = {nic.name for nic in both.nics}
        files = {name: file for name, file in opened.items() if here.get(name) == file.source}
        wired = tuple(wire for wire in wires if wire.name in cards)
        reasons: dict[str, str] = {}
        for name in (name for name in opened if name not in files):
            try:
                self._whole(more := files | {name: opened[name]}, wired)
                files = more
            except ValueError as error:
                reasons[name] = str(error)
        for wire in wires:
            if wire.name not in cards:
                try:
                    self._whole(files, (*wired, wire))
                    wired = (*wired, wire)
                except ValueError as error:
                    reasons[wire.name] = str(error)
        return self._whole(files, wired), reasons

    def _whole(self, opened: Mapping[str, DiskFile], wires: tuple[NicWire, ...]) -> Machine:
        """With everything. Raises ValueError for what needs a restart."""
        running, both = self.running, _together(self.running, self.goal)
        files = {disk.name: disk.file for disk in running.disks if not disk.empty}
        plugged = hotplug_volumes(self.spec)
        present = {}
        for name, volume in plugged.items():
            claim = claim_of(volume)
            known = [*(disk.file for disk in both.disks if disk.name == name and not disk.empty), opened.get(name)]
            if file := next((one for one in known if one is not None and one.source == claim), None):
                present[name] = file
        files = {name: file for name, file in files.items() if not file.source} | present
        followed = _pending(with_volumes(self.spec, present), running, memory=self.memory)
        devices = (followed.get("domain") or {}).get("devices") or {}
        leaving = {item["name"] for item in devices.get("interfaces") or () if item.get("state") == ABSENT}
        listed = {item["name"] for item in devices.get("interfaces") or ()}
        attachments = Attachments(
            disks={name: file for name, file in files.items() if name in _disk_names(devices)},
            nics=tuple(wire for wire in wires if wire.name in listed - leaving),
            initrd=bool(running.firmware.kernel),
            vsock_cid=running.devices.vsock.cid if running.devices.vsock else 0,
        )
        facts = Facts(kvm=running.platform.kvm, arch=running.arch)
        found = machine_from_vmi(running.name, self.uid, followed, facts, attachments, both)
        return msgspec.structs.replace(
            running,
            disks=found.disks,
            nics=found.nics,
            cpu=_cpu(running, self.goal, found.cpu.sockets if self.cpus else running.cpu.sockets),
            memory=found.memory,
        )


def _cpu(running: Machine, goal: Machine | None, sockets: int) -> Cpu:
    """What cannot be reached is left as it is: `running` says so by having other sockets than the spec."""
    known = goal or running
    wanted = following(running.cpu, known.cpu, sockets)
    return known.cpu if worn_out(wanted, kvm=running.platform.kvm) else wanted


def _together(running: Machine, goal: Machine | None) -> Machine:
    """Everything that may be plugged: no number or place of it may be given away."""
    if goal is None:
        return running
    disks, nics = {disk.name for disk in running.disks}, {nic.name for nic in running.nics}
    return msgspec.structs.replace(
        running,
        disks=(*torn_drives(running, goal), *(disk for disk in goal.disks if disk.name not in disks)),
        nics=(*running.nics, *(nic for nic in goal.nics if nic.name not in nics)),
    )


def _pending(spec: Document, running: Machine, *, memory: bool) -> Document:
    """The spec without memory that the pod does not have yet."""
    if memory:
        return spec
    domain = spec.get("domain") or {}
    given = (domain.get("memory") or {}) | {"guest": f"{running.memory.current_kib}Ki"}
    return spec | {"domain": domain | {"memory": given}}


def _disk_names(devices: Document) -> set[str]:
    return {disk["name"] for disk in devices.get("disks") or ()}
