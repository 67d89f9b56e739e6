"""Disks (spec.domain.devices.disks): what each is, where it stands, boot order."""

from __future__ import annotations

from typing import Literal

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.disknumbers import Medium, Numbers
from kubevirt_py.render.machine.pci import Address, Layout
from kubevirt_py.render.machine.wiring import Attachments, DiskFile
from kubevirt_py.render.reservations import is_reserved

BUSES = ("virtio", "sata", "scsi", "usb")
DEFAULT_BUS = "sata"
SATA_PORTS = 6
SATA_BLOCK_BYTES = 512
"""The one logical block size of QEMU's SATA disks."""
FILE_BLOCK_BYTES = 4096
"""What a guest is told at most of a file system: those on a network speak of megabytes, which no guest takes."""
_TARGET_PREFIX = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd"}
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
    place = layout.conventional if transitional else layout.express
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
        place=place("disk", device_id(name)) if virtio else None,
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
    if spec.get("cache") == "none" and not (file.direct or file.made):
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


def fixed_addresses(devices: Document) -> dict[str, str]:
    """PCI addresses that the spec names for disks, by the ids of their front ends."""
    disks = devices.get("disks") or ()
    fixed = {disk["name"]: _front(disk)[1].get("pciAddress") for disk in disks}
    return {device_id(name): address for name, address in fixed.items() if address}


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


def iothread_id(disk: Disk) -> str:
    return f"iothread{disk.index}"


def _sata_port(unit: int, q35: bool) -> str:
    """The port of a SATA disk: q35's own controller first, then added ones (sata0, ...) of six ports each."""
    controller, port = divmod(unit, SATA_PORTS)
    if q35:
        return f"ide.{port}" if controller == 0 else f"sata{controller - 1}.{port}"
    return f"sata{controller}.{port}"
