"""Volumes that come and go, drives without a disc, and what may change in a VMI that runs."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import FORBIDDEN, INVALID, Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_volumes import BUSES, hotplug_volumes
from kubevirt_py.render.live_update import fixed_part
from kubevirt_py.render.machine_version import is_board, machine_type

DECLARATIVE = "DeclarativeHotplugVolumes"


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    """A hotpluggable volume needs a bus on which it can be plugged, or a drive."""
    devices = spec["domain"].get("devices") or {}
    plugged = hotplug_volumes(spec)
    for index, disk in enumerate(devices.get("disks") or ()):
        if disk["name"] not in plugged or "cdrom" in disk:
            continue
        kind = "lun" if "lun" in disk else "disk"
        target, field = disk.get(kind) or {}, f"{path}.domain.devices.disks[{index}].{kind}"
        bus, old_board = target.get("bus"), is_board(machine_type(spec), "pc")
        if bus not in BUSES:
            text = f"a hotpluggable volume needs bus {' or '.join(BUSES)}, not {bus}"
            yield Cause(f"{field}.bus", INVALID, text)
        elif bus == "virtio" and devices.get("useVirtioTransitional") and not old_board:
            text = "q35 cannot plug the old virtio disks of useVirtioTransitional; use bus scsi for this one"
            yield Cause(f"{field}.bus", INVALID, text)
        elif target.get("pciAddress") and not old_board:
            text = "q35 cannot plug a disk at an address of its own; leave it or hotpluggable out"
            yield Cause(f"{field}.pciAddress", INVALID, text)
    if plugged and devices.get("disableHotplug"):
        text = "hotpluggable volumes exclude devices.disableHotplug"
        yield Cause(f"{path}.domain.devices.disableHotplug", INVALID, text)


def may_be_empty(disk: Document, config: ClusterConfig) -> bool:
    """A drive whose disc may come later."""
    return "cdrom" in disk and config.gate(DECLARATIVE)


def plugs(new: Document, old: Document) -> bool:
    """Whether a change concerns what the guest has."""
    return any(new.get(key) != old.get(key) for key in ("domain", "networks", "utilityVolumes", "volumes"))


def changed(new: Document, old: Document) -> Iterator[Cause]:
    """What KubeVirt itself may change in a VMI: hotpluggable volumes, sockets, memory, networks, placement, grace."""
    before, after = fixed_part(old), fixed_part(new)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            text = "only what a running guest can follow may change; change the VirtualMachine and restart it"
            yield Cause(f"spec.{key}", FORBIDDEN, text)
