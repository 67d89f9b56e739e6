"""spec.domain.devices.disks and filesystems, and how they refer to volumes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import (
    INVALID,
    NOT_FOUND,
    NOT_SUPPORTED,
    REQUIRED,
    Cause,
    between,
    needs_gate,
    one_of,
    unique,
)
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.default_devices import METRICS_BUS
from kubevirt_py.render.hotplug_volumes import is_hotpluggable
from kubevirt_py.render.machine.disks import SATA_BLOCK_BYTES
from kubevirt_py.render.validate.hotplug import may_be_empty
from kubevirt_py.render.validate.text import pci_address

BUSES = {"disk": ("virtio", "sata", "scsi", "usb"), "cdrom": ("sata", "scsi", "usb"), "lun": ("scsi", "sata", "virtio")}
ERROR_POLICIES = ("stop", "ignore", "report", "enospace")
TRAYS = ("open", "closed")
MAX_SERIAL = 256
MAX_TAG = 36
SHARED_CLAIMS = ("persistentVolumeClaim", "dataVolume")
SHARED_FILES = ("configMap", "secret", "serviceAccount", "downwardAPI", "containerPath")
VIRTIOFS_STORAGE_GATE = "EnableVirtioFsStorageVolumes"
MIN_BLOCK, MAX_BLOCK = 512, 2 << 20
MAX_GRANULARITY, MAX_BOOT_ORDER = (1 << 32) - 1, (1 << 31) - 1
"""The largest numbers that QEMU takes."""
_SERIAL = re.compile(r"[A-Za-z0-9_.+-]*")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    devices = spec["domain"].get("devices") or {}
    disks, base = devices.get("disks") or [], f"{path}.domain.devices"
    filesystems = devices.get("filesystems") or []
    volumes = {volume["name"] for volume in spec.get("volumes") or ()}
    for index, disk in enumerate(disks):
        known = volumes | ({disk["name"]} if disk["name"] and may_be_empty(disk, config) else set())
        yield from _disk(disk, f"{base}.disks[{index}]", known)
    sources = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for index, disk in enumerate(disks):
        yield from _source(disk, sources.get(disk["name"]) or {}, f"{base}.disks[{index}]")
    for index, filesystem in enumerate(filesystems):
        field = f"{base}.filesystems[{index}]"
        yield from _in_volumes(filesystem["name"], f"{field}.name", volumes)
        yield from _filesystem(filesystem["name"], sources.get(filesystem["name"]), field, config)
    yield from unique(
        [
            *((f"{base}.disks[{index}].name", disk["name"]) for index, disk in enumerate(disks)),
            *((f"{base}.filesystems[{index}].name", item["name"]) for index, item in enumerate(filesystems)),
        ],
        "name",
    )
    yield from _boot_orders(devices, base)


def _source(disk: Document, volume: Document, field: str) -> Iterator[Cause]:
    """What the sources of some volumes ask of their disks."""
    if "containerPath" in volume:
        text = f"volume {disk['name']!r} has files and no disk; name it in devices.filesystems with virtiofs"
        yield Cause(f"{field}.name", NOT_SUPPORTED, text)
    if "downwardMetrics" not in volume:
        return
    bus = (disk.get("disk") or {}).get("bus") or METRICS_BUS
    if bus != METRICS_BUS or "cdrom" in disk or "lun" in disk:
        yield Cause(field, NOT_SUPPORTED, f"a volume of downwardMetrics is a disk on bus {METRICS_BUS}")
    if disk.get("cache") == "none":
        text = "a disk of downwardMetrics changes below the guest; leave cache out"
        yield Cause(f"{field}.cache", NOT_SUPPORTED, text)


def _filesystem(name: str, volume: Document | None, field: str, config: ClusterConfig) -> Iterator[Cause]:
    """What virtiofs can share: claims with files, and what Kubernetes keeps as files."""
    if len(name) > MAX_TAG:
        yield Cause(f"{field}.name", INVALID, f"is also the tag to mount it by, so at most {MAX_TAG} characters long")
    if volume is None:
        return
    if is_hotpluggable(volume):
        text = f"volume {name!r} is shared from the start; leave hotpluggable out, or use a disk"
        yield Cause(f"{field}.name", NOT_SUPPORTED, text)
    elif any(source in volume for source in SHARED_CLAIMS):
        if not config.gate(VIRTIOFS_STORAGE_GATE):
            yield needs_gate(f"{field}.virtiofs", VIRTIOFS_STORAGE_GATE)
    elif not any(source in volume for source in SHARED_FILES):
        allowed = ", ".join((*SHARED_CLAIMS, *SHARED_FILES))
        yield Cause(f"{field}.name", NOT_SUPPORTED, f"volume {name!r} cannot be shared; use a volume of: {allowed}")


def _boot_orders(devices: Document, base: str) -> Iterator[Cause]:
    ranks = [
        (f"{base}.{kind}[{index}].bootOrder", item.get("bootOrder"))
        for kind in ("disks", "interfaces")
        for index, item in enumerate(devices.get(kind) or ())
    ]
    for field, rank in ranks:
        yield from between(field, rank, 1, MAX_BOOT_ORDER)
    yield from unique(ranks, "boot order")


def _in_volumes(name: str, field: str, volumes: set[str]) -> Iterator[Cause]:
    if not name:
        yield Cause(field, REQUIRED, "must name a volume of this virtual machine")
    elif name not in volumes:
        known = ", ".join(sorted(volumes)) or "none"
        yield Cause(field, NOT_FOUND, f"no volume is named {name!r}; the volumes are: {known}")


def _disk(disk: Document, field: str, volumes: set[str]) -> Iterator[Cause]:
    yield from _in_volumes(disk["name"], f"{field}.name", volumes)
    kinds = [kind for kind in BUSES if kind in disk]
    if len(kinds) > 1:
        yield Cause(field, INVALID, f"a disk is only one of disk, cdrom and lun, not {' and '.join(kinds)}")
        return
    kind = kinds[0] if kinds else "disk"
    target = disk.get(kind) or {}
    bus = target.get("bus")
    yield from one_of(f"{field}.{kind}.bus", bus, BUSES[kind])
    yield from one_of(f"{field}.{kind}.tray", target.get("tray"), TRAYS)
    if kind != "cdrom" and bus == "sata" and target.get("readonly"):
        text = (
            "a disk that is only read, by readonly or by readOnly of its claim, cannot be on sata; use virtio or scsi"
        )
        yield Cause(f"{field}.{kind}.bus", INVALID, text)
    yield from pci_address(f"{field}.{kind}.pciAddress", target.get("pciAddress"))
    if target.get("pciAddress") and bus != "virtio":
        yield Cause(f"{field}.{kind}.pciAddress", INVALID, "only a disk on bus virtio has a PCI address")
    yield from one_of(f"{field}.errorPolicy", disk.get("errorPolicy"), ERROR_POLICIES)
    if disk.get("dedicatedIOThread") and bus != "virtio":
        yield Cause(f"{field}.dedicatedIOThread", NOT_SUPPORTED, "an I/O thread of its own needs bus virtio")
    yield from _serial(disk.get("serial") or "", f"{field}.serial")
    yield from _block_size(disk.get("blockSize"), f"{field}.blockSize", bus)


def _serial(serial: str, field: str) -> Iterator[Cause]:
    if len(serial) > MAX_SERIAL or not _SERIAL.fullmatch(serial):
        yield Cause(field, INVALID, f"use up to {MAX_SERIAL} letters, digits, '-', '_', '.' and '+'")


def _block_size(block: Document | None, field: str, bus: str | None) -> Iterator[Cause]:
    if block is None:
        return
    custom = block.get("custom")
    if custom and (block.get("matchVolume") or {}).get("enabled", "matchVolume" in block):
        yield Cause(field, INVALID, "set either custom or matchVolume, not both")
    if not custom:
        return
    granularity = custom.get("discardGranularity")
    if granularity is not None and granularity > MAX_GRANULARITY:
        yield Cause(f"{field}.custom.discardGranularity", INVALID, f"must be at most {MAX_GRANULARITY} bytes")
    elif granularity is not None and (granularity < 0 or granularity % (custom.get("logical") or 1)):
        yield Cause(f"{field}.custom.discardGranularity", INVALID, "must be a multiple of the logical block size")
    for name, fits in (("logical", (SATA_BLOCK_BYTES,)), ("discardGranularity", (0, SATA_BLOCK_BYTES))):
        if bus == "sata" and custom.get(name) not in (None, *fits):
            text = f"a disk on sata has blocks of {SATA_BLOCK_BYTES} bytes; use virtio or scsi for others"
            yield Cause(f"{field}.custom.{name}", INVALID, text)
    sizes = {name: custom[name] for name in ("logical", "physical") if name in custom}
    for name in ("logical", "physical"):
        if name not in sizes:
            yield Cause(f"{field}.custom.{name}", REQUIRED, "set both logical and physical, in bytes")
    for name, size in sizes.items():
        if not MIN_BLOCK <= size <= MAX_BLOCK or size & (size - 1):
            yield Cause(
                f"{field}.custom.{name}", INVALID, f"must be a power of 2 from {MIN_BLOCK} to {MAX_BLOCK} bytes"
            )
    if len(sizes) == 2 and sizes["logical"] > sizes["physical"]:
        yield Cause(f"{field}.custom.logical", INVALID, "must not be more than physical")
