"""spec.volumes: names, sources, and that each one is used."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.api.v1.volumes import Volume
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, exactly_one, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.validate import cloudinit
from kubevirt_py.render.validate.text import absolute_path, dns_label, dns_subdomain

SOURCES = tuple(sorted(info.alias or name for name, info in Volume.model_fields.items() if name != "name"))
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
DISKLESS = ("memoryDump",)
"""Sources the guest does not see."""


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    volumes = spec.get("volumes") or []
    devices = spec["domain"].get("devices") or {}
    shown = {item["name"] for kind in ("disks", "filesystems") for item in devices.get(kind) or ()}
    for index, volume in enumerate(volumes):
        field = f"{path}.volumes[{index}]"
        yield from dns_label(f"{field}.name", volume["name"])
        yield from exactly_one(field, volume, SOURCES, "volume source")
        yield from _source(volume, field)
        if volume["name"] not in shown and not any(source in volume for source in DISKLESS):
            yield Cause(
                f"{field}.name",
                INVALID,
                f"volume {volume['name']!r} is used by no disk; add a disk of this name or remove the volume",
            )
    yield from unique(((f"{path}.volumes[{index}].name", v["name"]) for index, v in enumerate(volumes)), "volume name")
    yield from cloudinit.check(volumes, path)


def _source(volume: Document, field: str) -> Iterator[Cause]:
    if (disk := volume.get("containerDisk")) is not None:
        yield from image(disk, f"{field}.containerDisk")
        yield from absolute_path(f"{field}.containerDisk.path", disk.get("path"))
    if (claim := volume.get("persistentVolumeClaim")) is not None:
        yield from _claim(claim["claimName"], f"{field}.persistentVolumeClaim.claimName")
    if (ephemeral := volume.get("ephemeral")) is not None:
        claim = ephemeral.get("persistentVolumeClaim")
        if claim is None:
            yield Cause(f"{field}.ephemeral.persistentVolumeClaim", REQUIRED, "names the claim to start from")
        else:
            yield from _claim(claim["claimName"], f"{field}.ephemeral.persistentVolumeClaim.claimName")
    if (empty := volume.get("emptyDisk")) is not None and parse_quantity(empty["capacity"]) <= 0:
        yield Cause(f"{field}.emptyDisk.capacity", INVALID, f"must be more than 0, not {empty['capacity']}")
    if (data := volume.get("dataVolume")) is not None:
        yield from _claim(data["name"], f"{field}.dataVolume.name")


def image(source: Document, field: str) -> Iterator[Cause]:
    """A container image that holds disks or a kernel."""
    if not source.get("image"):
        yield Cause(f"{field}.image", REQUIRED, "names a container image, such as registry.example/guest:v1")
    yield from one_of(f"{field}.imagePullPolicy", source.get("imagePullPolicy"), PULL_POLICIES)


def _claim(name: str, field: str) -> Iterator[Cause]:
    if not name:
        yield Cause(field, REQUIRED, "must name an object in the same namespace")
    else:
        yield from dns_subdomain(field, name)
