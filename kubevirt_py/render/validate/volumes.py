"""spec.volumes: names, sources, and that each one is used."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.api.v1.volumes import Volume
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause, exactly_one, needs_gate, one_of, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.container_paths import is_plain, is_private
from kubevirt_py.render.machine.firmware import acpi_volumes
from kubevirt_py.render.passt import SOCKET_VOLUME as PASST_VOLUME
from kubevirt_py.render.persistent_state import VOLUME as STATE_VOLUME
from kubevirt_py.render.pod_volumes import EPHEMERAL_VOLUME, KERNEL_BOOT_VOLUME, PRIVATE_VOLUME, SERIAL_LOG_VOLUME
from kubevirt_py.render.shares import SOCKETS_VOLUME
from kubevirt_py.render.validate import cloudinit
from kubevirt_py.render.validate.text import absolute_path, dns_label, dns_subdomain

SOURCES = tuple(sorted(info.alias or name for name, info in Volume.model_fields.items() if name != "name"))
RESERVED = frozenset(
    (
        PRIVATE_VOLUME,
        EPHEMERAL_VOLUME,
        KERNEL_BOOT_VOLUME,
        PASST_VOLUME,
        SERIAL_LOG_VOLUME,
        SOCKETS_VOLUME,
        STATE_VOLUME,
    )
)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
SYSPREP = ("configMap", "secret")
HOST_DISK_GATE = "HostDisk"
HOST_DISK_TYPES = ("Disk", "DiskOrCreate")
MAX_LABEL = 32
"""Of the name of an ISO 9660 volume."""
ONCE = {"serviceAccount": "service account", "downwardMetrics": "disk of metrics"}
DISKLESS = ("memoryDump",)
"""Sources the guest does not see."""


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    volumes = spec.get("volumes") or []
    devices = spec["domain"].get("devices") or {}
    shown = {item["name"] for kind in ("disks", "filesystems") for item in devices.get(kind) or ()}
    shown |= set(acpi_volumes(spec["domain"]).values())
    for index, volume in enumerate(volumes):
        field = f"{path}.volumes[{index}]"
        yield from dns_label(f"{field}.name", volume["name"])
        if volume["name"] in RESERVED:
            yield Cause(
                f"{field}.name",
                INVALID,
                f"{volume['name']!r} is the name of a volume that each pod has; choose another",
            )
        yield from exactly_one(field, volume, SOURCES, "volume source")
        yield from _source(volume, field)
        yield from _files(volume, field)
        yield from _host_disk(volume.get("hostDisk"), f"{field}.hostDisk", config)
        if volume["name"] not in shown and not any(source in volume for source in DISKLESS):
            yield Cause(
                f"{field}.name",
                INVALID,
                f"volume {volume['name']!r} is used by no disk; add a disk of this name or remove the volume",
            )
    for source, what in ONCE.items():
        for index in [index for index, volume in enumerate(volumes) if source in volume][1:]:
            yield Cause(f"{path}.volumes[{index}].{source}", INVALID, f"a virtual machine has one {what}")
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
    if (inside := volume.get("containerPath")) is not None:
        yield from _container_path(inside, f"{field}.containerPath")
    if (data := volume.get("dataVolume")) is not None:
        yield from _claim(data["name"], f"{field}.dataVolume.name")


def _container_path(given: Document, field: str) -> Iterator[Cause]:
    """A path of the pod that others mount something at; what we mount there ourselves is not for guests."""
    path = given.get("path") or ""
    if not is_plain(path):
        yield Cause(f"{field}.path", INVALID, f"{path!r} must be an absolute path without empty parts, '.' and '..'")
    elif is_private(path):
        yield Cause(f"{field}.path", INVALID, f"{path!r} is a place of KubeVirt's own; name one that others mount")
    if given.get("readOnly") is False:
        yield Cause(f"{field}.readOnly", NOT_SUPPORTED, "the guest can only read what others mount; leave it true")


def _files(volume: Document, field: str) -> Iterator[Cause]:
    """Sources whose files become a disk or a file system."""
    for source, key in (("configMap", "name"), ("secret", "secretName"), ("serviceAccount", "serviceAccountName")):
        if (given := volume.get(source)) is not None:
            yield from _claim(given.get(key) or "", f"{field}.{source}.{key}")
    if (sysprep := volume.get("sysprep")) is not None:
        yield from exactly_one(f"{field}.sysprep", sysprep, SYSPREP, "source of answer files")
        for key in SYSPREP:
            if key in sysprep:
                yield from _claim(sysprep[key].get("name") or "", f"{field}.sysprep.{key}.name")
    for source in ("configMap", "downwardAPI", "secret"):
        label = (volume.get(source) or {}).get("volumeLabel") or ""
        if len(label) > MAX_LABEL or not (label.isascii() and label.isprintable()):
            yield Cause(f"{field}.{source}.volumeLabel", INVALID, f"must be at most {MAX_LABEL} ASCII characters")
    for index, item in enumerate((volume.get("downwardAPI") or {}).get("fields") or ()):
        path = item.get("path") or ""
        if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
            place = f"{field}.downwardAPI.fields[{index}].path"
            yield Cause(place, INVALID, f"{path!r} must be a relative path without '..'")


def _host_disk(host: Document | None, field: str, config: ClusterConfig) -> Iterator[Cause]:
    if host is None:
        return
    if not config.gate(HOST_DISK_GATE):
        yield needs_gate(field, HOST_DISK_GATE)
    if not host.get("path"):
        yield Cause(f"{field}.path", REQUIRED, "names a file on the node")
    elif host["path"].endswith(("/", "/.")):
        yield Cause(f"{field}.path", INVALID, f"{host['path']!r} names a directory; name a file in it")
    yield from absolute_path(f"{field}.path", host.get("path"))
    yield from one_of(f"{field}.type", host["type"], HOST_DISK_TYPES)
    if not host["type"]:
        yield Cause(f"{field}.type", REQUIRED, f"set one of: {', '.join(HOST_DISK_TYPES)}")
    capacity = host.get("capacity")
    if host["type"] == "DiskOrCreate" and (capacity is None or parse_quantity(capacity) <= 0):
        yield Cause(f"{field}.capacity", REQUIRED, "a file that may have to be made needs its size")
    if host["type"] == "Disk" and capacity is not None:
        yield Cause(f"{field}.capacity", INVALID, "a file that exists has its size; leave capacity out")


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
