"""A VMI's volumes as volumes, mounts and devices of its pod.

Volumes that live in files made by the stub (cloud-init images, empty disks)
need nothing here but the two emptyDirs every VM pod has.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Collection
from dataclasses import dataclass, field

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.cloudinit import credential_volume, data_folder, data_secrets, key_secrets
from kubevirt_py.render.config_volumes import projection
from kubevirt_py.render.credentials import agent_secrets
from kubevirt_py.render.hotplug_volumes import boot_spec
from kubevirt_py.render.machine.devices import logs_serial
from kubevirt_py.render.passt import SOCKET_VOLUME as PASST_VOLUME
from kubevirt_py.render.passt import passt_interface
from kubevirt_py.render.persistent_state import VOLUME as STATE_VOLUME
from kubevirt_py.render.shares import SOCKETS_VOLUME, share_names

EPHEMERAL_VOLUME = "ephemeral-disks"
PRIVATE_VOLUME = "private"
KERNEL_BOOT_VOLUME = "kernel-boot-volume"
SERIAL_LOG_VOLUME = "serial-log"
MAX_NAME = 63
SERIAL_LOG_SIZE = "1Mi"
"""A guest may write for ever; what does not fit into this file system is left out of the log."""


@dataclass(slots=True)
class PodVolumes:
    """What the VMI's volumes add to the pod and its compute container."""

    shared: tuple[str, ...] = ()
    volumes: list[Document] = field(default_factory=list)
    mounts: list[Document] = field(default_factory=list)
    devices: list[Document] = field(default_factory=list)
    pull_secrets: list[str] = field(default_factory=list)
    shares: list[Document] = field(default_factory=list)
    """Mounts of the servers of shared file systems, each in a container of its own."""

    def add(self, volume: Document, path: str, *, read_only: bool = False) -> None:
        """A pod volume mounted at `path`."""
        self.volumes.append(volume)
        mount = {"name": volume["name"], "mountPath": path, **({"readOnly": True} if read_only else {})}
        (self.shares if volume["name"] in self.shared else self.mounts).append(mount)


def pod_volumes(spec: Document, block_claims: Collection[str] = (), state_claim: str = "") -> PodVolumes:
    """Volumes for a VMI spec but for hotpluggable ones; claims named in `block_claims` have volumeMode Block.

    `state_claim` names the claim that keeps firmware and TPM state, where the VMI has one.
    """
    spec = boot_spec(spec)
    out = PodVolumes(shared=share_names(spec))
    out.add({"name": PRIVATE_VOLUME, "emptyDir": {}}, names.PRIVATE_DIR)
    out.add({"name": EPHEMERAL_VOLUME, "emptyDir": {}}, names.EPHEMERAL_DIR)
    if logs_serial((spec.get("domain") or {}).get("devices") or {}):
        log = {"medium": "Memory", "sizeLimit": SERIAL_LOG_SIZE}
        out.add({"name": SERIAL_LOG_VOLUME, "emptyDir": log}, names.SERIAL_LOG_DIR)
    if out.shared:
        out.add({"name": SOCKETS_VOLUME, "emptyDir": {}}, names.SHARES_DIR)
    if passt_interface(spec):
        out.add({"name": PASST_VOLUME, "emptyDir": {}}, names.PASST_DIR)
    if state_claim:
        out.add({"name": STATE_VOLUME, "persistentVolumeClaim": {"claimName": state_claim}}, names.STATE_DIR)
    for volume in spec.get("volumes") or ():
        if image := volume.get("containerDisk"):
            _add_image(out, volume["name"], image)
        if claim := claim_of(volume):
            _add_claim(out, volume, claim, block=claim in block_claims)
        if files := projection(volume):
            root = f"{names.SECRET_DIR}/{volume['name']}"
            out.add({"name": volume["name"], "projected": files}, root, read_only=True)
        if host := volume.get("hostDisk"):
            _add_host_disk(out, volume["name"], host)
        for part, secret in data_secrets(volume):
            _add_secret(out, data_folder(volume["name"], part), f"{volume['name']}-{part.short}", secret)
    for secret in dict.fromkeys((*key_secrets(spec), *agent_secrets(spec))):
        _add_secret(out, credential_volume(secret), credential_volume(secret), secret)
    container = (((spec.get("domain") or {}).get("firmware") or {}).get("kernelBoot") or {}).get("container")
    if container:
        _add_image(out, KERNEL_BOOT_VOLUME, container)
    return out


def claim_of(volume: Document) -> str | None:
    """Name of the PersistentVolumeClaim behind a VMI volume. A DataVolume's claim has the DataVolume's name."""
    if source := volume.get("persistentVolumeClaim") or volume.get("memoryDump"):
        return str(source["claimName"])
    if source := volume.get("dataVolume"):
        return str(source["name"])
    if source := (volume.get("ephemeral") or {}).get("persistentVolumeClaim"):
        return str(source["claimName"])
    return None


def claims_of(spec: Document) -> tuple[str, ...]:
    """Names of all claims a VMI spec uses, in order, each once."""
    found = [claim for volume in spec.get("volumes") or () if (claim := claim_of(volume))]
    return tuple(dict.fromkeys((*found, *(one["claimName"] for one in spec.get("utilityVolumes") or ()))))


def _add_image(out: PodVolumes, name: str, source: Document) -> None:
    image: Document = {"reference": source["image"]}
    if policy := source.get("imagePullPolicy"):
        image["pullPolicy"] = policy
    out.add({"name": name, "image": image}, f"{names.CONTAINER_DISK_DIR}/{name}", read_only=True)
    if secret := source.get("imagePullSecret"):
        out.pull_secrets.append(secret)


def _add_claim(out: PodVolumes, volume: Document, claim: str, *, block: bool) -> None:
    name = volume["name"]
    read_only = "ephemeral" in volume or bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    source = {"name": name, "persistentVolumeClaim": {"claimName": claim, **({"readOnly": True} if read_only else {})}}
    if block:
        out.volumes.append(source)
        out.devices.append({"name": name, "devicePath": f"/dev/{name}"})
    else:
        out.add(source, f"{names.VMI_DISK_DIR}/{name}", read_only=read_only)


def _add_host_disk(out: PodVolumes, name: str, source: Document) -> None:
    """The directory of a file on the node: only namespaces whose Pod Security level permits host paths can have it."""
    kind = "DirectoryOrCreate" if source.get("type") == "DiskOrCreate" else "Directory"
    host = {"path": posixpath.dirname(source["path"]), "type": kind}
    out.add({"name": name, "hostPath": host}, f"{names.VMI_DISK_DIR}/{name}")


def _add_secret(out: PodVolumes, directory: str, volume: str, secret: str) -> None:
    """All keys of a Secret as files of one directory."""
    projected = {"sources": [{"secret": {"name": secret}}]}
    out.add({"name": _label(volume), "projected": projected}, f"{names.SECRET_DIR}/{directory}", read_only=True)


def _label(name: str) -> str:
    """`name` as Kubernetes takes it for a pod's volume; one with dots, or too long, is told apart by its hash."""
    if len(name) <= MAX_NAME and "." not in name:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name.replace('.', '-')[: MAX_NAME - len(digest) - 1]}-{digest}"
