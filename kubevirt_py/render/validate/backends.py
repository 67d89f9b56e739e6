"""spec.domain.devices.disks, towards the storage: caches, I/O modes, LUNs and their reservations."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, Cause, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_volumes import is_hotpluggable
from kubevirt_py.render.machine.disks import is_read_only
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.reservations import is_reserved

CACHES = ("none", "writethrough", "writeback")
IO_MODES = ("default", "native", "threads")
IO_URING = "io_uring"
SWITCH = "spec.configuration.persistentReservationConfiguration.enabled"
PROFILE = "spec.configuration.seccompConfiguration.virtualMachineInstanceProfile.customProfile.localhostProfile"


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    disks = (spec["domain"].get("devices") or {}).get("disks") or []
    yield from _one_claim(disks, volumes, f"{path}.domain.devices.disks")
    for index, disk in enumerate(disks):
        field = f"{path}.domain.devices.disks[{index}]"
        yield from _io(disk, field, config)
        yield from _sharing(disk, field)
        if disk.get("lun") is not None:
            yield from _lun(disk, volumes.get(disk["name"]), field)
        if is_reserved(disk):
            yield from _reservation(disk, volumes.get(disk["name"]) or {}, f"{field}.lun", config)


def _one_claim(disks: list[Document], volumes: dict[str, Document], field: str) -> Iterator[Cause]:
    """Disks of one machine on one claim: by QEMU's rule, who writes meets only who shares."""
    known: dict[str, Document] = {}
    for index, disk in enumerate(disks):
        claim = claim_of(volumes.get(disk["name"]) or {})
        other = known.setdefault(claim, disk) if claim is not None else disk
        if other is disk or other["name"] == disk["name"]:
            continue
        pairs = ((disk, other), (other, disk))
        if any(_writes(one, volumes[one["name"]]) and not peer.get("shareable") for one, peer in pairs):
            text = f"disk {other['name']!r} has claim {claim!r} too; use another one, or set shareable: true on both"
            yield Cause(f"{field}[{index}].name", INVALID, text)


def _writes(disk: Document, volume: Document) -> bool:
    return not is_read_only(disk) and "ephemeral" not in volume


def _io(disk: Document, field: str, config: ClusterConfig) -> Iterator[Cause]:
    """Whether a profile of the cluster's own lets io_uring pass is for those to know who wrote it."""
    cache, mode = disk.get("cache"), disk.get("io")
    yield from one_of(f"{field}.cache", cache, CACHES)
    if mode == IO_URING:
        if not config.seccomp_profile:
            text = "the seccomp profile RuntimeDefault of VM pods forbids io_uring; use native or threads, or"
            yield Cause(f"{field}.io", NOT_SUPPORTED, f"{text} name a profile that permits it in {PROFILE}")
        return
    yield from one_of(f"{field}.io", mode, IO_MODES)
    if mode == "native" and cache in ("writethrough", "writeback"):
        yield Cause(f"{field}.io", INVALID, f"native I/O goes past the host's cache: use cache none, not {cache}")


def _sharing(disk: Document, field: str) -> Iterator[Cause]:
    """What one node keeps in its cache, another does not see."""
    if disk.get("shareable") and disk.get("cache") in ("writethrough", "writeback"):
        text = f"machines that share a disk write past the host's cache: use cache none, not {disk['cache']}"
        yield Cause(f"{field}.cache", INVALID, text)


def _lun(disk: Document, volume: Document | None, field: str) -> Iterator[Cause]:
    """A LUN is a device of the storage, and on SCSI it tells the guest itself what it is."""
    if volume is not None and ("ephemeral" in volume or claim_of(volume) is None):
        text = f"a lun needs a claim of volumeMode Block; volume {disk['name']!r} is none, use disk"
        yield Cause(f"{field}.lun", INVALID, text)
    if _bus(disk) != "scsi":
        return
    if disk.get("serial") not in (None, "", disk["name"]):  # clients send the name where the user says nothing
        yield Cause(f"{field}.serial", NOT_SUPPORTED, "a lun on scsi has the serial number of its device")
    if (disk.get("blockSize") or {}).get("custom"):
        text = "a lun on scsi has the block sizes of its device"
        yield Cause(f"{field}.blockSize.custom", NOT_SUPPORTED, text)


def _reservation(disk: Document, volume: Document, field: str, config: ClusterConfig) -> Iterator[Cause]:
    if not config.persistent_reservations:
        text = f"needs {SWITCH}: true in the KubeVirt resource"
        yield Cause(f"{field}.reservation", NOT_SUPPORTED, text)
    if _bus(disk) != "scsi":
        yield Cause(f"{field}.bus", INVALID, f"reservations are SCSI commands: use bus scsi, not {_bus(disk)}")
    if is_hotpluggable(volume):
        text = "a volume with reservations is there from the start: the helper's socket comes with the pod"
        yield Cause(f"{field}.reservation", NOT_SUPPORTED, f"{text}; leave hotpluggable out")


def _bus(disk: Document) -> str:
    return str(disk["lun"].get("bus") or "scsi")
