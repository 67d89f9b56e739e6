"""Volumes that come to a guest and leave it while it runs (`hotpluggable: true`).

They are not in the VM's own pod: a pod of their own brings them (render/hotplug_pod.py), also at the start.
"""

from __future__ import annotations

from collections.abc import Collection

from kubevirt_py.plan import Document

SOURCES = ("persistentVolumeClaim", "dataVolume")
BUSES = ("scsi", "virtio")
"""Where a device can be plugged; a disc goes into any drive."""


def is_hotpluggable(volume: Document) -> bool:
    return any((volume.get(source) or {}).get("hotpluggable") for source in SOURCES)


def hotplug_volumes(spec: Document) -> dict[str, Document]:
    """The hotpluggable volumes of a VMI spec by name."""
    return {volume["name"]: volume for volume in spec.get("volumes") or () if is_hotpluggable(volume)}


def boot_spec(spec: Document) -> Document:
    """The spec without what is plugged in later: its volumes, and their disks but for drives, which are empty."""
    return with_volumes(spec, ())


def with_volumes(spec: Document, present: Collection[str]) -> Document:
    """The spec with those hotpluggable volumes that are `present`. A drive without its disc is empty."""
    missing = set(hotplug_volumes(spec)) - set(present)
    if not missing:
        return spec
    domain = spec.get("domain") or {}
    devices = domain.get("devices") or {}
    disks = [disk for disk in devices.get("disks") or () if disk["name"] not in missing or "cdrom" in disk]
    volumes = [volume for volume in spec.get("volumes") or () if volume["name"] not in missing]
    return spec | {"domain": domain | {"devices": devices | {"disks": disks}}, "volumes": volumes}
