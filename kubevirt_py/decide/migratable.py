"""Whether a guest could move to another node, by KubeVirt's rules, and with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from kubevirt_py.api import names
from kubevirt_py.api.views import Condition
from kubevirt_py.plan import Document

Finding = tuple[str, str]
"""Reason and text."""
SHARED = "ReadWriteMany"
NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})
NO_BINDINGS: Mapping[str, Document] = MappingProxyType({})


def migration_conditions(
    spec: Document,
    volume_status: list[Document],
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    bindings: Mapping[str, Document] = NO_BINDINGS,
) -> dict[str, Condition]:
    """LiveMigratable by its first obstacle, and StorageLiveMigratable, for which the disks may be copied.

    `annotations` are the VMI's, `bindings` the cluster's network binding plugins.
    """
    others = [*_interfaces(spec, annotations, bindings), *_obstacles(spec)]
    return {
        names.LIVE_MIGRATABLE: _condition(names.LIVE_MIGRATABLE, [*others, *_disks(spec, volume_status)]),
        names.STORAGE_LIVE_MIGRATABLE: _condition(names.STORAGE_LIVE_MIGRATABLE, others, names.NOT_MIGRATABLE),
    }


def copies_disks(spec: Document) -> bool:
    """Whether a migration copies local disks (BlockMigration); what only the guest's start needs counts too."""
    kept = (
        "persistentVolumeClaim",
        "dataVolume",
        "configMap",
        "secret",
        "downwardAPI",
        "serviceAccount",
        "sysprep",
        "memoryDump",
    )
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


def _interfaces(spec: Document, annotations: Mapping[str, str], bindings: Mapping[str, Document]) -> Iterator[Finding]:
    """On the pod's own network the address must be able to change, or the plugin must say how it migrates."""
    pod_networks = {network["name"] for network in spec.get("networks") or () if "pod" in network}
    for item in _devices(spec).get("interfaces") or ():
        plugin = (item.get("binding") or {}).get("name")
        fixed = "bridge" in item and names.BRIDGE_MIGRATION_ANNOTATION not in annotations
        fixed = fixed or (plugin is not None and not (bindings.get(plugin) or {}).get("migration"))
        if item["name"] in pod_networks and fixed:
            text = f"cannot migrate VMI: interface {item['name']} keeps the pod network's address; use masquerade there"
            yield names.INTERFACE_NOT_LIVE_MIGRATABLE, text


def _obstacles(spec: Document) -> Iterator[Finding]:
    domain, devices = spec.get("domain") or {}, _devices(spec)
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
