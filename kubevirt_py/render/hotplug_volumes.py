"""Volumes that come to a guest and leave it while it runs (`hotpluggable: true`).

They are not in the VM's own pod: a pod of their own brings them (render/hotplug_pod.py), also at the start. Some are
brought for a task and not for the guest: a dump of its memory, a backup.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from kubevirt_py.plan import Document

SOURCES = ("persistentVolumeClaim", "dataVolume")
BUSES = ("scsi", "virtio")
"""Where a device can be plugged; a disc goes into any drive."""
MEMORY_DUMP = "MemoryDump"
BACKUP = "Backup"
TASKS = (BACKUP, MEMORY_DUMP)
"""Types of utility volumes."""


class TaskVolume(NamedTuple):
    """A claim that is attached for a task. The guest has no disk of it."""

    name: str
    claim: str
    task: str
    read_only: bool = False

    @property
    def volume(self) -> Document:
        """As a pod's volume would be asked for."""
        option = {"readOnly": True} if self.read_only else {}
        return {"name": self.name, "persistentVolumeClaim": {"claimName": self.claim, **option}}


def is_hotpluggable(volume: Document) -> bool:
    return any((volume.get(source) or {}).get("hotpluggable") for source in SOURCES)


def hotplug_volumes(spec: Document) -> dict[str, Document]:
    """The hotpluggable volumes of a VMI spec that become disks, by name."""
    return {volume["name"]: volume for volume in spec.get("volumes") or () if is_hotpluggable(volume)}


def boot_volumes(spec: Document) -> frozenset[str]:
    """Names of the hotpluggable volumes that a guest boots with: all but discs in drives with an open tray."""
    disks = ((spec.get("domain") or {}).get("devices") or {}).get("disks") or ()
    out = {disk["name"] for disk in disks if (disk.get("cdrom") or {}).get("tray") == "open"}
    return frozenset(hotplug_volumes(spec).keys() - out)


def task_volumes(spec: Document) -> dict[str, TaskVolume]:
    """Volumes of a VMI spec that are attached for a task, by name: spec.utilityVolumes, and memoryDump volumes."""
    found = [
        TaskVolume(volume["name"], volume["memoryDump"]["claimName"], MEMORY_DUMP)
        for volume in spec.get("volumes") or ()
        if volume.get("memoryDump")
    ]
    found += [
        TaskVolume(one["name"], one["claimName"], one.get("type") or "", bool(one.get("readOnly")))
        for one in spec.get("utilityVolumes") or ()
    ]
    return {one.name: one for one in found}


def dump_volume(spec: Document) -> TaskVolume | None:
    """The volume that takes a dump of the guest's memory; one at a time."""
    return next((one for one in task_volumes(spec).values() if one.task == MEMORY_DUMP), None)


def brought_volumes(spec: Document) -> dict[str, Document]:
    """Every volume of a VMI spec that a pod of its own brings, by name."""
    return hotplug_volumes(spec) | {name: one.volume for name, one in task_volumes(spec).items()}


def boot_spec(spec: Document) -> Document:
    """The spec without what is plugged in later: its volumes, and their disks but for drives, which are empty."""
    return with_volumes(spec, ())


def with_volumes(spec: Document, present: Collection[str]) -> Document:
    """The spec with those hotpluggable volumes that are `present`. A drive without its disc is empty.

    What is attached for a task is no part of a machine.
    """
    missing = set(brought_volumes(spec)) - set(present)
    if not missing:
        return spec
    domain = spec.get("domain") or {}
    devices = domain.get("devices") or {}
    disks = [disk for disk in devices.get("disks") or () if disk["name"] not in missing or "cdrom" in disk]
    volumes = [volume for volume in spec.get("volumes") or () if volume["name"] not in missing]
    found = {key: value for key, value in spec.items() if key != "utilityVolumes"}
    return found | {"domain": domain | {"devices": devices | {"disks": disks}}, "volumes": volumes}
