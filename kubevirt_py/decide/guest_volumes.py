"""status.volumeStatus as virt-handler writes it: what the guest has, and how hotplugged volumes fare on this node."""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api import names
from kubevirt_py.decide.guest_state import GuestState, MemoryDump
from kubevirt_py.decide.volume_status import (
    ATTACHED,
    DETACHING,
    DUMP_FAILED,
    DUMPED,
    DUMPING,
    MOUNTED,
    READY,
    UNMOUNTED,
    every_volume,
)
from kubevirt_py.plan import Document
from kubevirt_py.render.hotplug_volumes import brought_volumes, task_volumes
from kubevirt_py.render.isos import SOURCES as ISO_SOURCES
from kubevirt_py.render.persistent_state import is_state_entry, keeps_state
from kubevirt_py.render.pod_volumes import claim_of

MESSAGE_CHARACTERS = 512
TOLD = (READY, MOUNTED, UNMOUNTED, DUMPING, DUMPED, DUMP_FAILED)
"""Phases that an event tells of when a volume reaches them."""


def volumes(spec: Document, old: list[Document], guest: GuestState) -> list[Document]:
    """One entry per volume, sorted by name as upstream; fields and entries of the controller are kept."""
    disks = {disk.name: disk for disk in guest.machine.disks if not disk.empty}
    known = {str(entry.get("name")): entry for entry in old}
    plugged = brought_volumes(spec)
    dump = guest.dump if guest.dump is not None and guest.dump.volume in task_volumes(spec) else None
    entries = []
    for volume in every_volume(spec):
        name = volume["name"]
        disk = disks.get(name)
        entry = {**known.pop(name, {}), "name": name, "target": disk.target if disk else ""}
        if disk is not None and disk.file.size_bytes and any(source in volume for source in ISO_SOURCES):
            entry["size"] = disk.file.size_bytes
        if dump is not None and name == dump.volume:
            entry |= _dumped(dump)
        elif name in plugged:
            there = disk is not None and disk.file.source == claim_of(volume)
            entry |= _arriving(entry, there=there, guest=guest)
        entries.append(entry)
    entries += [_leaving(entry, guest) for entry in known.values() if "hotplugVolume" in entry]
    if keeps_state(spec):
        entries += [entry for entry in known.values() if "hotplugVolume" not in entry and is_state_entry(entry)]
    return sorted(entries, key=lambda entry: str(entry["name"]))


def news(old: Iterable[Document], new: Iterable[Document]) -> list[tuple[str, str]]:
    """Reason and text of the events of what hotplugged volumes have reached."""
    before = {entry.get("name"): entry.get("phase") for entry in old}
    return [
        (str(entry["reason"]), str(entry["message"]))
        for entry in new
        if "hotplugVolume" in entry and entry.get("phase") in TOLD and before.get(entry["name"]) != entry.get("phase")
    ]


def _arriving(entry: Document, *, there: bool, guest: GuestState) -> Document:
    name, phase = entry["name"], entry.get("phase")
    if there:
        return _reached(READY, names.VOLUME_READY, f"Successfully attach hotplugged volume {name} to VM")
    trouble = guest.plugged.troubles.get(name, "")[:MESSAGE_CHARACTERS]
    if name in guest.plugged.mounted and phase in (ATTACHED, MOUNTED):
        text = trouble or f"Volume {name} has been mounted in virt-launcher pod"
        return _reached(MOUNTED, names.VOLUME_MOUNTED_TO_POD, text)
    return {"reason": names.HOTPLUG_FAILED, "message": trouble} if trouble and phase == ATTACHED else {}


def _dumped(dump: MemoryDump) -> Document:
    """Words are KubeVirt's, which clients look for."""
    found: Document = {"claimName": dump.claim, "startTimestamp": dump.started, "targetFileName": dump.file}
    if not dump.ended:
        text = f"Memory dump Volume {dump.volume} is attached, getting memory dump"
        return {"memoryDumpVolume": found, **_reached(DUMPING, names.VOLUME_MOUNTED_TO_POD, text)}
    found["endTimestamp"] = dump.ended
    if dump.trouble:
        text = f"Memory dump to pvc {dump.volume} failed: {dump.trouble}"[:MESSAGE_CHARACTERS]
        return {"memoryDumpVolume": found, **_reached(DUMP_FAILED, names.MEMORY_DUMP_FAILED, text)}
    text = f"Memory dump to Volume {dump.volume} has completed successfully"
    return {"memoryDumpVolume": found, **_reached(DUMPED, names.VOLUME_READY, text)}


def _leaving(entry: Document, guest: GuestState) -> Document:
    """A volume that left the spec: its descriptor is with QEMU until the guest has let go of the device."""
    name = entry["name"]
    if name in guest.plugged.held_volumes:
        trouble = guest.plugged.troubles.get(name, "")[:MESSAGE_CHARACTERS]
        return {**entry, "message": trouble} if trouble and entry.get("phase") == DETACHING else entry
    if entry.get("phase") == UNMOUNTED:
        return entry
    text = f"Volume {name} has been unmounted from virt-launcher pod"
    return {**entry, "target": "", **_reached(UNMOUNTED, names.VOLUME_UNMOUNTED_FROM_POD, text)}


def _reached(phase: str, reason: str, message: str) -> Document:
    return {"phase": phase, "reason": reason, "message": message}


def memory_kib(guest: GuestState) -> tuple[int, int]:
    """What the guest has taken and what it is offered, with what it had at boot."""
    memory = guest.machine.memory
    taken = guest.plugged.memory_bytes
    return memory.size_kib + (taken >> 10 if taken is not None and memory.plug else 0), memory.current_kib
