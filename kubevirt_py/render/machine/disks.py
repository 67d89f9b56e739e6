"""Disks (spec.domain.devices.disks): block graph, front ends on virtio, SATA, SCSI and USB, boot order."""

from __future__ import annotations

import json
import string
from collections import Counter
from typing import Literal

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import Attachments, DiskFile, descriptor, options

BUSES = ("virtio", "sata", "scsi", "usb")
DEFAULT_BUS = "sata"
SATA_PORTS = 6
_TARGET_PREFIX = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd"}
_ERROR_POLICIES = {"stop": "stop", "ignore": "ignore", "report": "report", "enospace": "enospc"}


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk. `unit` numbers it on its bus; `place` is its PCI address on virtio, `port` its socket on SATA."""

    name: str
    target: str
    kind: Literal["disk", "cdrom", "lun"]
    bus: str
    file: DiskFile
    index: int
    unit: int = 0
    place: Address | None = None
    port: str = ""
    read_only: bool = False
    cache: str = ""
    io: str = ""
    error_policy: str = "stop"
    serial: str = ""
    bootindex: int | None = None
    shareable: bool = False
    logical_block: int | None = None
    physical_block: int | None = None
    queues: int = 0
    iothread: bool = False
    transitional: bool = False


def disks_from_devices(
    devices: Document, files: Attachments, boot: dict[str, int], layout: Layout, cpus: int
) -> tuple[Disk, ...]:
    """The spec's disks in order. Raises ValueError for an unknown bus or a disk whose volume was not opened."""
    units: Counter[str] = Counter()
    targets: Counter[str] = Counter()
    transitional = bool(devices.get("useVirtioTransitional"))
    disks = []
    for index, spec in enumerate(devices.get("disks") or ()):
        name = spec["name"]
        kind, front = _front(spec)
        bus = front.get("bus") or (DEFAULT_BUS if kind != "lun" else "scsi")
        if bus not in BUSES:
            raise ValueError(f"disk {name}: bus {bus!r} is unknown; choose one of {', '.join(BUSES)}")
        if bus == "sata" and kind == "disk" and front.get("readonly"):
            raise ValueError(f"disk {name}: a disk on sata cannot be read-only; use bus virtio or scsi, or a cdrom")
        if name not in files.disks:
            raise ValueError(f"disk {name}: no volume of this name was opened")
        prefix = _TARGET_PREFIX[bus]
        block = (spec.get("blockSize") or {}).get("custom") or {}
        virtio = bus == "virtio"
        disks.append(
            Disk(
                name=name,
                target=prefix + _letters(targets[prefix]),
                kind=kind,
                bus=bus,
                file=files.disks[name],
                index=index,
                unit=units[bus],
                place=_place(front, transitional, layout, device_id(name)) if virtio else None,
                port=_sata_port(units[bus], layout.q35) if bus == "sata" else "",
                read_only=kind == "cdrom" or bool(front.get("readonly")),
                cache=spec.get("cache") or "",
                io=spec.get("io") or "",
                error_policy=_ERROR_POLICIES.get(spec.get("errorPolicy") or "stop", "stop"),
                serial=spec.get("serial") or "",
                bootindex=boot.get(name),
                shareable=bool(spec.get("shareable")),
                logical_block=block.get("logical"),
                physical_block=block.get("physical"),
                queues=cpus if virtio and devices.get("blockMultiQueue") else 0,
                iothread=virtio and bool(spec.get("dedicatedIOThread")),
                transitional=virtio and transitional,
            )
        )
        units[bus] += 1
        targets[prefix] += 1
    return tuple(disks)


def device_id(name: str) -> str:
    """QEMU's id of the front end of a volume."""
    return f"disk-{name}"


def _place(front: Document, transitional: bool, layout: Layout, device: str) -> Address:
    if front.get("pciAddress"):
        return layout.fixed(front["pciAddress"], device)
    return layout.conventional("disk", device) if transitional else layout.express("disk", device)


def _front(spec: Document) -> tuple[Literal["disk", "cdrom", "lun"], Document]:
    if "cdrom" in spec:
        return "cdrom", spec["cdrom"] or {}
    if "lun" in spec:
        return "lun", spec["lun"] or {}
    return "disk", spec.get("disk") or {}


def is_read_only(spec: Document) -> bool:
    """Whether the guest may only read this disk of the spec."""
    kind, front = _front(spec)
    return kind == "cdrom" or bool(front.get("readonly"))


def _letters(index: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = string.ascii_lowercase[rest] + text
    return text


def boot_order(devices: Document) -> dict[str, int]:
    """Boot index by disk or interface name. Without any bootOrder the disks are tried in the order they are listed."""
    disks, nics = devices.get("disks") or (), devices.get("interfaces") or ()
    given = {item["name"]: int(item["bootOrder"]) for item in (*disks, *nics) if item.get("bootOrder")}
    return given or {item["name"]: index for index, item in enumerate(disks, start=1)}


def disk_args(disk: Disk) -> list[str]:
    return [*_block_args(disk), *_front_args(disk)]


def _block_args(disk: Disk) -> list[str]:
    args = _node_args(disk, "disk", disk.file.format, disk.read_only)
    return [*_node_args(disk, "base", disk.file.base, True), *args] if disk.file.base else args


def _node_args(disk: Disk, role: str, image: str, read_only: bool) -> list[str]:
    """A file node on a descriptor set and a format node on it. A base named in an image's header is never followed.

    Nodes are numbered: QEMU's names of nodes have at most 31 characters, a volume's up to 63.
    """
    fdset = 2 * disk.index + (1 if role == "disk" else 2)
    name = f"{role}{disk.index}"
    file: Document = {
        "driver": "host_device" if disk.kind == "lun" else "file",
        "node-name": f"{name}-file",
        "filename": f"/dev/fdset/{fdset}",
        "read-only": read_only,
        "discard": "unmap",
    }
    if role == "disk":
        file |= _cache(disk)
    node: Document = {
        "driver": image,
        "node-name": name,
        "file": f"{name}-file",
        "read-only": read_only,
        "discard": "unmap",
    }
    if image == "qcow2":
        node["backing"] = f"base{disk.index}" if role == "disk" and disk.file.base else None
    direct = role == "disk" and _is_direct(disk)
    handle = options("", fd=descriptor(role, disk.name, direct=direct), set=fdset, opaque=f"{role}.{disk.name}")
    return ["-add-fd", handle, *(part for one in (file, node) for part in ("-blockdev", _json(one)))]


def _cache(disk: Disk) -> Document:
    """Cache none where the file system allows it, as KubeVirt does; native I/O needs O_DIRECT."""
    direct = _is_direct(disk)
    aio = disk.io if disk.io in ("native", "threads") else ("native" if direct and disk.kind == "lun" else "threads")
    return {"cache": {"direct": direct, "no-flush": False}, "aio": aio if direct or aio != "native" else "threads"}


def _is_direct(disk: Disk) -> bool:
    return disk.cache == "none" if disk.cache else disk.file.direct


def _json(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _front_args(disk: Disk) -> list[str]:
    args = []
    iothread = f"iothread{disk.index}" if disk.iothread else None
    if iothread:
        args += ["-object", options("iothread", id=iothread)]
    common = {
        "drive": f"disk{disk.index}",
        "bootindex": disk.bootindex,
        "serial": disk.serial or None,
        "share-rw": True if disk.shareable and not disk.read_only else None,
        "logical_block_size": disk.logical_block,
        "physical_block_size": disk.physical_block,
        "write-cache": False if disk.cache == "writethrough" and disk.kind == "disk" else None,
        "werror": None if disk.kind == "lun" else disk.error_policy,
        "rerror": None if disk.kind == "lun" else _read_error_policy(disk.error_policy),
    }
    drivers = {
        "virtio": "virtio-blk-pci-transitional" if disk.transitional else "virtio-blk-pci",
        "sata": "ide-cd" if disk.kind == "cdrom" else "ide-hd",
        "scsi": {"cdrom": "scsi-cd", "disk": "scsi-hd", "lun": "scsi-block"}[disk.kind],
        "usb": "usb-storage",
    }
    where: dict[str, str | int | None] = {}
    if disk.place:
        where = {"bus": disk.place.bus, "addr": disk.place.addr, "iothread": iothread}
        where |= {"num-queues": disk.queues or None}
    elif disk.bus == "sata":
        where = {"bus": disk.port}
    elif disk.bus == "scsi":
        where = {"bus": "scsi.0", "channel": 0, "scsi-id": 0, "lun": disk.unit}
    else:
        where = {"bus": "usb.0"}
    if disk.bus == "usb":
        common = {key: common[key] for key in ("drive", "bootindex", "serial")}
    return [*args, "-device", options(drivers[disk.bus], id=device_id(disk.name), **where, **common)]


def _read_error_policy(policy: str) -> str:
    """Reads know no "no space left"; the rest is the same for both directions."""
    return "report" if policy == "enospc" else policy


def _sata_port(unit: int, q35: bool) -> str:
    """The port of a SATA disk: q35's own controller first, then added ones (sata0, ...) of six ports each."""
    controller, port = divmod(unit, SATA_PORTS)
    if q35:
        return f"ide.{port}" if controller == 0 else f"sata{controller - 1}.{port}"
    return f"sata{controller}.{port}"


class Controller(msgspec.Struct, frozen=True):
    id: str
    driver: str
    place: Address


def controllers(disks: tuple[Disk, ...], layout: Layout, *, hotplug: bool = False) -> tuple[Controller, ...]:
    """The SCSI controller, also for disks that come later, and the SATA controllers beyond the chipset's."""
    found = []
    if hotplug or any(disk.bus == "scsi" for disk in disks):
        found.append(Controller("scsi", "virtio-scsi-pci", layout.express("system", "scsi")))
    added = sorted({name for disk in disks if (name := disk.port.partition(".")[0]).startswith("sata")})
    return (*found, *(Controller(name, "ahci", layout.conventional("system", name)) for name in added))


def controller_args(controller: Controller) -> list[str]:
    place = controller.place
    return ["-device", options(controller.driver, id=controller.id, bus=place.bus, addr=place.addr)]
