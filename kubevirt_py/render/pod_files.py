"""What the launcher stub opens or makes in its pod for a VMI, as an ordered list of steps.

The stub (virt_launcher/stub.py) runs them as uid 107; the names it gives to descriptors are those that
`render.machine` puts on the command line: `disk.<volume>`, `base.<volume>`, `firmware.code`, `kernel`, ...
"""

from __future__ import annotations

import posixpath
from typing import Literal

import msgspec
from msgspec import structs

from kubevirt_py.api import names
from kubevirt_py.api.quantity import quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.cloudinit import SOURCES as CLOUD_INIT_SOURCES
from kubevirt_py.render.cloudinit import credential_volume, data_folder, data_secrets, key_secrets
from kubevirt_py.render.config_volumes import source_of
from kubevirt_py.render.credentials import agent_secrets
from kubevirt_py.render.machine.devices import has_tpm
from kubevirt_py.render.machine.disks import is_read_only
from kubevirt_py.render.machine.firmware import acpi_volumes, wants_secure_boot, wants_uefi
from kubevirt_py.render.persistent_state import keeps_nvram, keeps_tpm
from kubevirt_py.render.pod_volumes import KERNEL_BOOT_VOLUME

OVMF_DIR = "/usr/share/OVMF"
CLAIM_IMAGE = "disk.img"
NVRAM_FILE = "efi-vars.fd"
TPM_FILE = "tpm2.state"


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file. `root` is trusted, `path` below it may be a tenant's; an empty path is the only file in root/disk.

    open: as it is. create: an empty sparse file of `size` bytes if there is none. qcow2: a new image of `size`
    bytes or as large as the step named `over`. copy: of the trusted file `source`. seed: the same, but kept where it
    exists; empty without a source. secret: all files in root.
    folder: root itself, which the kubelet writes anew when its content changes.
    `device` is opened instead where it exists; `probe` looks for qcow2, else the file is raw.
    `shareable` disks may be those of other machines too.
    """

    do: Literal["open", "create", "qcow2", "copy", "seed", "secret", "folder"]
    name: str
    root: str
    path: str = ""
    read_only: bool = False
    probe: bool = False
    size: int = 0
    over: str | msgspec.UnsetType = msgspec.UNSET
    source: str = ""
    device: str = ""
    shareable: bool = False


def pod_files(spec: Document, volume_status: tuple[Document, ...] = ()) -> tuple[Step, ...]:
    """Steps for a VMI spec. `volume_status` (of the VMI's status) gives the sizes of claims.

    Raises ValueError for a volume whose source cannot be a disk here.
    """
    domain = spec.get("domain") or {}
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    sizes = _claim_sizes(volume_status)
    steps: list[Step] = []
    for index, disk in enumerate((domain.get("devices") or {}).get("disks") or ()):
        volume = volumes.get(disk["name"])
        if volume is None and "cdrom" in disk:
            continue  # an empty drive
        if volume is None:
            raise ValueError(f"spec.domain.devices.disks[{index}].name: spec.volumes has no volume {disk['name']!r}")
        own = _volume_steps(volume, is_read_only(disk), sizes.get(volume["name"], 0))
        steps += [structs.replace(step, shareable=True) for step in own] if disk.get("shareable") else own
    for name in dict.fromkeys(acpi_volumes(domain).values()):
        if name not in {step.name for step in steps}:
            steps.append(Step(do="secret", name=name, root=f"{names.SECRET_DIR}/{name}"))
    for secret in key_secrets(spec):
        volume_name = credential_volume(secret)
        steps.append(Step(do="secret", name=volume_name, root=f"{names.SECRET_DIR}/{volume_name}"))
    for secret in agent_secrets(spec):
        steps.append(Step(do="folder", name=secret, root=f"{names.SECRET_DIR}/{credential_volume(secret)}"))
    return (*steps, *_firmware_steps(domain))


def _claim_sizes(volume_status: tuple[Document, ...]) -> dict[str, int]:
    sizes = {}
    for status in volume_status:
        capacity = ((status.get("persistentVolumeClaimInfo") or {}).get("capacity") or {}).get("storage")
        if capacity:
            sizes[status["name"]] = quantity_bytes(capacity)
    return sizes


def _volume_steps(volume: Document, read_only: bool, claim_bytes: int) -> list[Step]:
    name = volume["name"]
    if image := volume.get("containerDisk"):
        root = f"{names.CONTAINER_DISK_DIR}/{name}"
        return _overlaid(name, read_only, root=root, path=image.get("path") or "", probe=True)
    if "ephemeral" in volume:
        root = f"{names.VMI_DISK_DIR}/{name}"
        return _overlaid(name, read_only, root=root, path=CLAIM_IMAGE, device=f"/dev/{name}")
    if "persistentVolumeClaim" in volume or "dataVolume" in volume:
        return [
            Step(
                do="open" if read_only else "create",
                name=f"disk.{name}",
                root=f"{names.VMI_DISK_DIR}/{name}",
                path=CLAIM_IMAGE,
                device=f"/dev/{name}",
                read_only=read_only,
                size=claim_bytes,
            )
        ]
    if host := volume.get("hostDisk"):
        return [_host_disk(name, host, read_only)]
    if empty := volume.get("emptyDisk"):
        size = quantity_bytes(empty["capacity"])
        path, root = f"empty-disks/{name}.qcow2", names.EPHEMERAL_DIR
        return [Step(do="qcow2", name=f"disk.{name}", root=root, path=path, size=size, probe=True, read_only=read_only)]
    if any(source in volume for source in CLOUD_INIT_SOURCES):
        folders = [data_folder(name, part) for part, _ in data_secrets(volume)]
        return [Step(do="secret", name=folder, root=f"{names.SECRET_DIR}/{folder}") for folder in folders]
    if "downwardMetrics" in volume:
        return []  # the agent writes it, into a file of its own
    if source_of(volume):
        return [Step(do="secret", name=name, root=f"{names.SECRET_DIR}/{name}")]
    kinds = ", ".join(key for key in volume if key != "name") or "no source"
    raise ValueError(f"volume {name}: a disk cannot be made from {kinds}")


def _host_disk(name: str, source: Document, read_only: bool) -> Step:
    """A file on the node, made by this pod's user where it is to be made; nothing that exists changes its owner."""
    path, wanted = posixpath.basename(source["path"]), source.get("type") == "DiskOrCreate" and not read_only
    size = quantity_bytes(source["capacity"]) if wanted and source.get("capacity") else 0
    root = f"{names.VMI_DISK_DIR}/{name}"
    do: Literal["open", "create"] = "create" if wanted else "open"
    return Step(do=do, name=f"disk.{name}", root=root, path=path, read_only=read_only, size=size)


def _overlaid(name: str, read_only: bool, *, root: str, path: str, probe: bool = False, device: str = "") -> list[Step]:
    """An image that stays as it is: opened itself if the guest only reads it, else under a fresh overlay."""
    base = Step(
        do="open",
        name=f"{'disk' if read_only else 'base'}.{name}",
        root=root,
        path=path,
        device=device,
        read_only=True,
        probe=probe,
    )
    if read_only:
        return [base]
    overlay = Step(
        do="qcow2",
        name=f"disk.{name}",
        root=names.EPHEMERAL_DIR,
        path=f"disk-data/{name}/disk.qcow2",
        over=base.name,
        probe=True,
    )
    return [base, overlay]


def _firmware_steps(domain: Document) -> list[Step]:
    steps = []
    if wants_uefi(domain):
        secure = wants_secure_boot(domain)
        code = "OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd"
        template = f"{OVMF_DIR}/OVMF_VARS_4M{'.ms' if secure else ''}.fd"
        steps += [
            Step(do="open", name="firmware.code", root=OVMF_DIR, path=code, read_only=True),
            Step(do="seed", name="firmware.vars", root=names.STATE_DIR, path=NVRAM_FILE, source=template)
            if keeps_nvram(domain)
            else Step(do="copy", name="firmware.vars", root=names.PRIVATE_DIR, path="nvram/vars.fd", source=template),
        ]
    if has_tpm(domain.get("devices") or {}):
        root = names.STATE_DIR if keeps_tpm(domain) else names.PRIVATE_DIR
        steps.append(Step(do="seed", name="tpm.state", root=root, path=TPM_FILE))
    boot = ((domain.get("firmware") or {}).get("kernelBoot") or {}).get("container") or {}
    root = f"{names.CONTAINER_DISK_DIR}/{KERNEL_BOOT_VOLUME}"
    for name, key in (("kernel", "kernelPath"), ("initrd", "initrdPath")):
        if boot.get(key):
            steps.append(Step(do="open", name=name, root=root, path=boot[key], read_only=True))
    return steps
