"""Disks (spec.domain.devices.disks): block graph, front ends on virtio, SATA, SCSI and USB, boot order."""

from __future__ import annotations

import json
from typing import Literal

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.disknumbers import Medium, Numbers
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import Attachments, DiskFile, Option, descriptor, options
from kubevirt_py.render.reservations import SOCKET_PATH, is_reserved

BUSES = ("virtio", "sata", "scsi", "usb")
DEFAULT_BUS = "sata"
SATA_PORTS = 6
SATA_BLOCK_BYTES = 512
"""The one logical block size of QEMU's SATA disks."""
FILE_BLOCK_BYTES = 4096
"""What a guest is told at most of a file system: those on a network speak of megabytes, which no guest takes."""
_TARGET_PREFIX = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd"}
_PR_MANAGER = "pr-helper0"
_ERROR_POLICIES = {"stop": "stop", "ignore": "ignore", "report": "report", "enospace": "enospc"}


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk. `unit` numbers it on its bus; `place` is its PCI address on virtio, `port` its socket on SATA.

    `index` numbers its medium: another medium in the same drive has another number. A drive may be `empty`.
    """

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
    reserved: bool = False
    logical_block: int | None = None
    physical_block: int | None = None
    discard_granularity: int | None = None
    queues: int = 0
    iothread: bool = False
    pool_thread: str = ""
    transitional: bool = False
    empty: bool = False
    leftovers: tuple[Medium, ...] = ()
    """Media that a change of discs that was cut off may have left in QEMU."""

    @property
    def medium(self) -> Medium:
        return Medium(self.index, None if self.empty else self.file.source)


class Image(msgspec.Struct, frozen=True):
    """A file of a disk: its descriptor's name, the set QEMU finds it in, and the block nodes on it, lowest first."""

    name: str
    fdset: int
    direct: bool
    nodes: tuple[Document, ...]


def disks_from_devices(
    devices: Document,
    files: Attachments,
    boot: dict[str, int],
    layout: Layout,
    cpus: int,
    running: tuple[Disk, ...] = (),
) -> tuple[Disk, ...]:
    """The spec's disks in order; a cdrom without a file, or with its tray open, is an empty drive.

    Those that are `running` keep their numbers.

    Raises ValueError for an unknown bus or a disk whose volume was not opened.
    """
    numbers = Numbers(running)
    return tuple(_disk(spec, devices, files, boot, layout, cpus, numbers) for spec in devices.get("disks") or ())


def _disk(
    spec: Document,
    devices: Document,
    files: Attachments,
    boot: dict[str, int],
    layout: Layout,
    cpus: int,
    numbers: Numbers,
) -> Disk:
    name = spec["name"]
    kind, front = _front(spec)
    bus = front.get("bus") or (DEFAULT_BUS if kind != "lun" else "scsi")
    if bus not in BUSES:
        raise ValueError(f"disk {name}: bus {bus!r} is unknown; choose one of {', '.join(BUSES)}")
    file = files.disks.get(name) if front.get("tray") != "open" else None
    read_only = is_read_only(spec) or bool(file and file.read_only)
    if bus == "sata" and kind == "disk" and read_only:
        raise ValueError(f"disk {name}: a disk on sata cannot be read-only; use bus virtio or scsi, or a cdrom")
    if file is None and kind != "cdrom":
        raise ValueError(f"disk {name}: no volume of this name was opened")
    _check_storage(spec, kind, file)
    transitional = bool(devices.get("useVirtioTransitional"))
    block = _block_sizes(spec.get("blockSize") or {}, file, bus)
    virtio = bus == "virtio"
    unit = numbers.unit(name, bus)
    return Disk(
        name=name,
        target=numbers.target(name, _TARGET_PREFIX[bus]),
        kind=kind,
        bus=bus,
        file=file or DiskFile(),
        empty=file is None,
        index=numbers.medium(name, bus, file),
        unit=unit,
        place=_place(front, transitional, layout, device_id(name)) if virtio else None,
        port=_sata_port(unit, layout.q35) if bus == "sata" else "",
        read_only=read_only,
        cache=spec.get("cache") or "",
        io=spec.get("io") or "",
        error_policy=_ERROR_POLICIES.get(spec.get("errorPolicy") or "stop", "stop"),
        serial=spec.get("serial") or "",
        bootindex=numbers.boot(name, boot.get(name)),
        shareable=bool(spec.get("shareable")),
        reserved=is_reserved(spec),
        logical_block=block.get("logical"),
        physical_block=block.get("physical"),
        discard_granularity=block.get("discardGranularity"),
        queues=cpus if virtio and devices.get("blockMultiQueue") else 0,
        iothread=virtio and bool(spec.get("dedicatedIOThread")),
        transitional=virtio and transitional,
    )


def _check_storage(spec: Document, kind: str, file: DiskFile | None) -> None:
    if file is None:
        return
    if kind == "lun" and not file.block:
        raise ValueError(f"disk {spec['name']}: a lun needs a claim of volumeMode Block; use disk for a file")
    if spec.get("cache") == "none" and not file.direct:
        text = "cache none needs storage with direct I/O, which this volume has not; use writethrough or writeback"
        raise ValueError(f"disk {spec['name']}: {text}")


def _block_sizes(wanted: Document, file: DiskFile | None, bus: str) -> dict[str, int]:
    """Sizes of the user's choice, or those of the volume below as far as the bus and guests know such."""
    match = wanted.get("matchVolume")
    if file is None or not all(file.blocks) or match is None or match.get("enabled") is False:
        return wanted.get("custom") or {}
    logical, physical = file.blocks if file.block else (min(size, FILE_BLOCK_BYTES) for size in file.blocks)
    return {"logical": SATA_BLOCK_BYTES if bus == "sata" else logical, "physical": physical}


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


def boot_order(devices: Document) -> dict[str, int]:
    """Boot index by disk or interface name. Without any bootOrder the disks are tried in the order they are listed."""
    disks, nics = devices.get("disks") or (), devices.get("interfaces") or ()
    given = {item["name"]: int(item["bootOrder"]) for item in (*disks, *nics) if item.get("bootOrder")}
    return given or {item["name"]: index for index, item in enumerate(disks, start=1)}


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
    return ["-object", options("pr-manager-helper", id=_PR_MANAGER, path=SOCKET_PATH)]


def with_medium(disk: Disk, medium: Medium) -> Disk:
    """The drive with this medium in it, as far as its nodes and descriptors are concerned."""
    return msgspec.structs.replace(disk, index=medium.index, empty=medium.source is None, leftovers=())


def node_name(disk: Disk) -> str:
    """The block node that the guest's device is on.

    Nodes are numbered: QEMU's names of nodes have at most 31 characters, a volume's up to 63.
    """
    return f"disk{disk.index}"


def iothread_id(disk: Disk) -> str:
    return f"iothread{disk.index}"


def images(disk: Disk) -> tuple[Image, ...]:
    """The files of a disk, the lowest first."""
    if disk.empty:
        return ()
    own = _image(disk, "disk", disk.file.format, disk.read_only)
    return (_image(disk, "base", disk.file.base, True), own) if disk.file.base else (own,)


def _image(disk: Disk, role: str, driver: str, read_only: bool) -> Image:
    """A file node on a descriptor set and a format node on it. A base named in an image's header is never followed."""
    fdset = 2 * disk.index + (1 if role == "disk" else 2)
    name = f"{role}{disk.index}"
    block = disk.file.block if role == "disk" else disk.file.base_block
    discard = "ignore" if disk.file.preallocated else "unmap"
    file: Document = {
        "driver": "host_device" if block else "file",
        "node-name": f"{name}-file",
        "filename": f"/dev/fdset/{fdset}",
        "read-only": read_only,
        "discard": discard,
    }
    if role == "disk":
        file |= _cache(disk)
        file |= {"pr-manager": _PR_MANAGER} if disk.reserved else {}
    node: Document = {
        "driver": driver,
        "node-name": name,
        "file": f"{name}-file",
        "read-only": read_only,
        "discard": discard,
    }
    if discard == "unmap" and not read_only and disk.kind == "disk":
        node["detect-zeroes"] = "unmap"
    if driver == "qcow2":
        node["backing"] = f"base{disk.index}" if role == "disk" and disk.file.base else None
    return Image(f"{role}.{disk.name}", fdset, role == "disk" and _is_direct(disk), (file, node))


def _cache(disk: Disk) -> Document:
    """Cache none where the file system allows it, and the I/O that suits the storage."""
    return {"cache": {"direct": _is_direct(disk), "no-flush": False}, "aio": _aio(disk)}


def _aio(disk: Disk) -> str:
    """Native I/O needs O_DIRECT: on a file system without it threads do the work, whatever the spec says.

    It stands still while a file system finds space, so of files it suits those only that have theirs and keep it.
    """
    if disk.io == "io_uring":
        return disk.io
    ready = disk.file.block or (disk.file.preallocated and disk.file.allocated)
    native = disk.io == "native" or (disk.io != "threads" and ready)
    return "native" if native and _is_direct(disk) else "threads"


def _is_direct(disk: Disk) -> bool:
    return disk.cache == "none" if disk.cache else disk.file.direct


def _json(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _is_usb_drive(disk: Disk) -> bool:
    """usb-storage is always a disk with its medium in it; a drive is a SCSI one behind a bridge."""
    return disk.bus == "usb" and disk.kind == "cdrom"


def _bridge(disk: Disk) -> str:
    return f"{device_id(disk.name)}-usb"


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
