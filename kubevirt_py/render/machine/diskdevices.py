"""Disks as QEMU's devices: front ends on virtio, SATA, SCSI and USB, and the controllers that they need."""

from __future__ import annotations

import json

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.blocknodes import PR_MANAGER, images, node_name
from kubevirt_py.render.machine.disks import Disk, device_id, iothread_id
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import Option, descriptor, options
from kubevirt_py.render.reservations import SOCKET_PATH


def disk_args(disk: Disk) -> list[str]:
    args = []
    for image in images(disk):
        token = descriptor(image.name, direct=image.direct)
        args += ["-add-fd", options("", fd=token, set=image.fdset, opaque=image.name)]
        args += [part for node in image.nodes for part in ("-blockdev", _json(node))]
    if disk.iothread:
        args += ["-object", options("iothread", id=iothread_id(disk))]
    if _is_usb_drive(disk):
        args += ["-device", options("usb-bot", id=_bridge(disk), bus="usb.0")]
    front = front_device(disk)
    return [*args, "-device", options(str(front.pop("driver")), **front)]


def reservation_args(disks: tuple[Disk, ...]) -> list[str]:
    """QEMU's way to the helper that executes reservations; QEMU connects again when the helper has restarted."""
    if not any(disk.reserved for disk in disks):
        return []
    return ["-object", options("pr-manager-helper", id=PR_MANAGER, path=SOCKET_PATH)]


def _json(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _is_usb_drive(disk: Disk) -> bool:
    """usb-storage is always a disk with its medium in it; a drive is a SCSI one behind a bridge."""
    return disk.bus == "usb" and disk.kind == "cdrom"


def _bridge(disk: Disk) -> str:
    return f"usb-{device_id(disk.name)}"


def front_device(disk: Disk) -> dict[str, Option]:
    """The device that the guest sees, as device_add takes it."""
    drivers = {
        "virtio": "virtio-blk-pci-transitional" if disk.transitional else "virtio-blk-pci",
        "sata": "ide-cd" if disk.kind == "cdrom" else "ide-hd",
        "scsi": {"cdrom": "scsi-cd", "disk": "scsi-hd", "lun": "scsi-block"}[disk.kind],
        "usb": "scsi-cd" if disk.kind == "cdrom" else "usb-storage",
    }
    where: dict[str, Option]
    if disk.place:
        thread = iothread_id(disk) if disk.iothread else disk.pool_thread or None
        where = {"bus": disk.place.bus, "addr": disk.place.addr, "iothread": thread, "num-queues": disk.queues or None}
    elif disk.bus == "sata":
        where = {"bus": disk.port}
    elif disk.bus == "scsi":
        where = {"bus": "scsi.0", "channel": 0, "scsi-id": 0, "lun": disk.unit}
    elif _is_usb_drive(disk):
        where = {"bus": f"{_bridge(disk)}.0", "scsi-id": 0, "lun": 0}
    else:
        where = {"bus": "usb.0"}
    common: dict[str, Option] = {
        "drive": None if disk.empty else node_name(disk),
        "bootindex": disk.bootindex,
        "share-rw": True if disk.shareable else None,
        "werror": disk.error_policy,
        "rerror": _read_error_policy(disk.error_policy),
    }
    if not (disk.kind == "lun" and disk.bus == "scsi"):  # which tells the guest all of itself
        common |= {
            "serial": disk.serial or None,
            "logical_block_size": disk.logical_block,
            "physical_block_size": disk.physical_block,
            "discard_granularity": disk.discard_granularity,
            "write-cache": "off" if disk.cache == "writethrough" and disk.kind == "disk" else None,
        }
    found: dict[str, Option] = {"driver": drivers[disk.bus], "id": device_id(disk.name), **where, **common}
    return {key: value for key, value in found.items() if value is not None}


def _read_error_policy(policy: str) -> str:
    """Reads know no "no space left"; the rest is the same for both directions."""
    return "report" if policy == "enospc" else policy


class Controller(msgspec.Struct, frozen=True):
    id: str
    driver: str
    place: Address


def controllers(
    disks: tuple[Disk, ...], layout: Layout, *, hotplug: bool = False, transitional: bool = False
) -> tuple[Controller, ...]:
    """The SCSI controller, also for disks that come later, and the SATA controllers beyond the chipset's.

    `transitional`: for guests of the time before virtio 1.0.
    """
    found = []
    if hotplug or any(disk.bus == "scsi" for disk in disks):
        place = layout.conventional if transitional else layout.express
        found.append(Controller("scsi", "virtio-scsi-pci", place("system", "scsi")))
    added = sorted({name for disk in disks if (name := disk.port.partition(".")[0]).startswith("sata")})
    return (*found, *(Controller(name, "ahci", layout.conventional("system", name)) for name in added))


def controller_args(controller: Controller) -> list[str]:
    place = controller.place
    return ["-device", options(controller.driver, id=controller.id, bus=place.bus, addr=place.addr)]
