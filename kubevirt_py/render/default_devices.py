"""Default devices of a guest: the pod network's interface, a disk for each volume, buses, inputs, watchdog."""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.downwardmetrics import disk_volume
from kubevirt_py.render.hotplug_volumes import hotplug_volumes

BINDINGS = {"passt": "passtBinding"}
"""Fields whose name differs from that of the default in the KubeVirt resource."""
DEFAULT_INTERFACE = "default"
DISK_KINDS = ("disk", "cdrom", "lun")
DISK_BUSES = {"amd64": "sata", "arm64": "virtio", "s390x": "virtio"}
SCSI_BUS = "scsi"
"""The bus of LUNs, and of disks that are plugged in unless they say otherwise: it takes the most."""
METRICS_BUS = "virtio"
UNSEEN_SOURCES = ("memoryDump",)


def fill(spec: Document, config: ClusterConfig) -> None:
    """Fill the gaps of `spec` in place. The architecture is known already."""
    devices = spec["domain"].setdefault("devices", {})
    _interface(spec, devices, config)
    _disks(spec, devices)
    _images(spec)
    _inputs(devices)
    watchdog = devices.get("watchdog")
    if watchdog is not None:
        if not any(model in watchdog for model in ("i6300esb", "diag288")) and spec["architecture"] == "amd64":
            watchdog["i6300esb"] = {}
        for model in ("i6300esb", "diag288"):
            if model in watchdog:
                watchdog[model].setdefault("action", "reset")


def _interface(spec: Document, devices: Document, config: ClusterConfig) -> None:
    """A guest that names no network joins the pod's, by the cluster's default binding."""
    if devices.get("autoattachPodInterface") is False or spec.get("networks") or devices.get("interfaces"):
        return
    binding = BINDINGS.get(config.default_network_interface, config.default_network_interface)
    devices["interfaces"] = [{"name": DEFAULT_INTERFACE, binding: {}}]
    spec["networks"] = [{"name": DEFAULT_INTERFACE, "pod": {}}]


def _disks(spec: Document, devices: Document) -> None:
    disks = devices.get("disks") or []
    shown = {item["name"] for item in (*disks, *(devices.get("filesystems") or ()))}
    for volume in spec.get("volumes") or ():
        if volume["name"] not in shown and not any(source in volume for source in UNSEEN_SOURCES):
            disks.append({"name": volume["name"]})
    plugged, metrics = hotplug_volumes(spec), disk_volume(spec)
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for disk in disks:
        kinds = [kind for kind in DISK_KINDS if kind in disk] or ["disk"]
        for kind in kinds:
            target = disk.setdefault(kind, {})
            if not target.get("bus") and kind == "disk" and disk.get("name") == metrics:
                target["bus"] = METRICS_BUS
            elif not target.get("bus"):
                target["bus"] = _bus(kind, spec["architecture"], plugged=disk.get("name") in plugged)
        follow_claim(disk, volumes.get(disk.get("name")) or {})
        if "cdrom" in disk:
            disk["cdrom"].setdefault("readonly", True)
            disk["cdrom"].setdefault("tray", "closed")
    if disks:
        devices["disks"] = disks


def follow_claim(disk: Document, volume: Document) -> None:
    """A claim that the pod may only read is a disk that the guest may only read."""
    if (volume.get("persistentVolumeClaim") or {}).get("readOnly"):
        for kind in ("disk", "lun"):
            if kind in disk:
                disk[kind]["readonly"] = True


def _bus(kind: str, architecture: str, *, plugged: bool) -> str:
    if kind == "lun" or (plugged and kind == "disk"):
        return SCSI_BUS
    return DISK_BUSES.get(architecture, "virtio")


def _images(spec: Document) -> None:
    sources = [volume["containerDisk"] for volume in spec.get("volumes") or () if "containerDisk" in volume]
    boot = spec["domain"]["firmware"].get("kernelBoot") or {}
    for source in (*sources, *([boot["container"]] if "container" in boot else [])):
        if not source.get("imagePullPolicy"):
            source["imagePullPolicy"] = pull_policy(source.get("image") or "")


def pull_policy(image: str) -> str:
    """Always for an image whose tag is `latest` or missing, as the kubelet does; a digest never changes."""
    name = image.rsplit("/", 1)[-1]
    if "@" in name:
        return "IfNotPresent"
    tag = name.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _inputs(devices: Document) -> None:
    inputs = devices.get("inputs") or []
    if devices.get("autoattachInputDevice") and not inputs:
        inputs = [{"name": "default-0", "type": "tablet"}]
    for device in inputs:
        if not device.get("bus"):
            device["bus"] = "usb"
    if inputs:
        devices["inputs"] = inputs
