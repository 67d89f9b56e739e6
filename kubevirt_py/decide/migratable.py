"""Whether a guest could move to another node, by KubeVirt's rules, and with its reasons."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api import names
from kubevirt_py.api.views import Condition
from kubevirt_py.plan import Document

Finding = tuple[str, str]
"""Reason and text."""
SHARED = "ReadWriteMany"


def migration_conditions(spec: Document, volume_status: list[Document]) -> dict[str, Condition | None]:
    """LiveMigratable, and StorageLiveMigratable, for which the disks may be copied."""
    others = list(_obstacles(spec))
    return {
        names.LIVE_MIGRATABLE: _condition(names.LIVE_MIGRATABLE, [*_disks(spec, volume_status), *others]),
        names.STORAGE_LIVE_MIGRATABLE: _condition(names.STORAGE_LIVE_MIGRATABLE, others, names.NOT_MIGRATABLE),
    }


def copies_disks(spec: Document) -> bool:
    """Whether a migration copies local disks (BlockMigration); what only the guest's start needs counts too."""
    kept = ("persistentVolumeClaim", "dataVolume", "configMap", "secret", "downwardAPI", "serviceAccount", "sysprep")
    filesystems = {one["name"] for one in _devices(spec).get("filesystems") or ()}
    return any(
        not any(kind in volume for kind in kept)
        and volume["name"] not in filesystems
        and not (volume.get("hostDisk") or {}).get("shared")
        for volume in spec.get("volumes") or ()
    )


def _condition(kind: str, findings: list[Finding], reason: str = "") -> Condition:
    if not findings:
        return Condition(type=kind, status="True")
    if not reason:
        return Condition(type=kind, status="False", reason=findings[0][0], message=findings[0][1])
    text = "; ".join(f"{why}: {text}" for why, text in findings)
    return Condition(type=kind, status="False", reason=reason, message=text)


def _disks(spec: Document, volume_status: list[Document]) -> Iterator[Finding]:
    shared = {
        status.get("name")
        for status in volume_status
        if SHARED in ((status.get("persistentVolumeClaimInfo") or {}).get("accessModes") or ())
    }
    for volume in spec.get("volumes") or ():
        name = volume["name"]
        if any(kind in volume for kind in ("persistentVolumeClaim", "dataVolume")) and name not in shared:
            text = f"cannot migrate VMI: the claim of volume {name} is not shared, it needs {SHARED}"
            yield names.DISKS_NOT_LIVE_MIGRATABLE, text
        host = volume.get("hostDisk")
        if host is not None and not host.get("shared"):
            yield names.DISKS_NOT_LIVE_MIGRATABLE, f"cannot migrate VMI: hostDisk of volume {name} is not shared"


def _obstacles(spec: Document) -> Iterator[Finding]:
    domain, devices = spec.get("domain") or {}, _devices(spec)
    pod_networks = {network["name"] for network in spec.get("networks") or () if "pod" in network}
    for item in devices.get("interfaces") or ():
        if item["name"] in pod_networks and "bridge" in item:
            text = "cannot migrate VMI which does not use masquerade to connect to the pod network"
            yield names.INTERFACE_NOT_LIVE_MIGRATABLE, text
    model = (domain.get("cpu") or {}).get("model")
    if model == "host-passthrough":
        yield names.CPU_MODE_NOT_LIVE_MIGRATABLE, "cannot migrate VMI: its CPU model is host-passthrough"
    if (
        devices.get("hostDevices")
        or devices.get("gpus")
        or any("sriov" in one for one in devices.get("interfaces") or ())
    ):
        yield names.HOST_DEVICE_NOT_LIVE_MIGRATABLE, "cannot migrate VMI: it has devices of its host"
    if domain.get("launchSecurity"):
        yield names.SEV_NOT_LIVE_MIGRATABLE, "cannot migrate VMI: its memory is encrypted for its host"
    if any(((disk.get("lun") or {}).get("reservation")) for disk in devices.get("disks") or ()):
        yield names.PR_NOT_LIVE_MIGRATABLE, "cannot migrate VMI: a disk has SCSI persistent reservations"
    features = domain.get("features") or {}
    if (features.get("hypervPassthrough") or {}).get("enabled"):
        text = "cannot migrate VMI: it has all Hyper-V features of its host"
        yield names.HYPERV_PASSTHROUGH_NOT_LIVE_MIGRATABLE, text


def _devices(spec: Document) -> Document:
    devices: Document = (spec.get("domain") or {}).get("devices") or {}
    return devices
