"""Where the content of disks and filesystems comes from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import AtomicModel, Cel, Empty, Int32, MaxLen, Model, Quantity
from kubevirt_py.api.meta import LocalObjectReference


class UtilityVolume(Model):
    """A claim attached for a task."""

    claim_name: str
    """Name of the claim."""
    name: str
    """Name of the volume."""
    read_only: bool | None = None
    """Mount it read-only."""
    type: str | None = None
    """The task, such as Backup or MemoryDump."""


class CloudInitSource(Model):
    """Cloud-init data, inline or from secrets."""

    network_data: str | None = None
    """Network configuration as text, up to 2048 bytes."""
    network_data_base64: str | None = None
    """Network configuration in base64, up to 2048 bytes decoded."""
    network_data_secret_ref: LocalObjectReference | None = None
    """Secret with key networkdata."""
    secret_ref: LocalObjectReference | None = None
    """Secret with key userdata."""
    user_data: str | None = None
    """User data as text, up to 2048 bytes."""
    user_data_base64: str | None = None
    """User data in base64, up to 2048 bytes decoded."""


class ConfigMapVolume(AtomicModel):
    """A ConfigMap's files."""

    name: str = ""
    """Name of the ConfigMap."""
    optional: bool | None = None
    """It need not exist."""
    volume_label: str | None = None
    """Label of the disk the guest sees."""


class ContainerDiskVolume(Model):
    """A disk image inside a container image."""

    image: str
    """Image reference."""
    image_pull_policy: str | None = None
    """Always, IfNotPresent or Never; Always for tag latest, else IfNotPresent."""
    image_pull_secret: str | None = None
    """Secret with registry credentials."""
    path: str | None = None
    """Path of the disk inside the image; the only file in /disk unless set."""


class ContainerPathVolume(Model):
    """A directory inside a container image."""

    path: Annotated[
        str,
        MaxLen(4096),
        Cel("self.startsWith('/')", "the path must be absolute"),
        Cel("!self.contains('..')", "the path must not contain '..'"),
    ]
    """Absolute path inside the image."""
    read_only: Annotated[bool, Cel("self == true", "only read-only sharing is supported")] = True
    """Always true."""


class DataVolumeVolume(Model):
    """A data volume's claim."""

    name: str
    """Name of the data volume and its claim."""
    hotpluggable: bool | None = None
    """It can be removed while running."""


class ObjectFieldSelector(AtomicModel):
    """A field of an object."""

    field_path: str
    """Path of the field."""
    api_version: str | None = None
    """Version of the API the path is of."""


class ResourceFieldSelector(AtomicModel):
    """A resource request or limit."""

    resource: str
    """Resource, such as limits.cpu."""
    container_name: str | None = None
    """Container whose resources are meant."""
    divisor: Quantity | None = None
    """Unit of the value."""


class DownwardAPIField(Model):
    """One file and the field it shows."""

    path: str
    """Path of the file."""
    field_ref: ObjectFieldSelector | None = None
    """A field of the instance."""
    mode: Int32 | None = None
    """Mode bits of the file."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A request or limit."""


class DownwardAPIVolume(Model):
    """Fields of the instance as files."""

    fields: list[DownwardAPIField] | None = None
    """The files."""
    volume_label: str | None = None
    """Label of the disk the guest sees."""


class EmptyDiskVolume(Model):
    """An empty disk."""

    capacity: Quantity
    """Size of the disk."""


class ClaimReference(Model):
    """A claim in the same namespace."""

    claim_name: str
    """Name of the claim."""
    read_only: bool | None = None
    """Mount it read-only."""


class EphemeralVolume(Model):
    """A claim below a layer that is thrown away."""

    persistent_volume_claim: ClaimReference | None = None
    """The claim that is only read."""


class HostDisk(Model):
    """A file on the node."""

    path: str
    """Path of the file."""
    type: str
    """Disk for a file that exists, DiskOrCreate to make it."""
    capacity: Quantity | None = None
    """Size of a file that is made."""
    shared: bool | None = None
    """Several guests may use it."""


class PersistentVolumeClaimVolume(Model):
    """A claim in the same namespace."""

    claim_name: str
    """Name of the claim."""
    hotpluggable: bool | None = None
    """It can be removed while running."""
    read_only: bool | None = None
    """Mount it read-only."""


class SecretVolume(Model):
    """A Secret's files."""

    optional: bool | None = None
    """It need not exist."""
    secret_name: str | None = None
    """Name of the Secret."""
    volume_label: str | None = None
    """Label of the disk the guest sees."""


class ServiceAccountVolume(Model):
    """A service account's token."""

    service_account_name: str | None = None
    """Name of the service account."""


class SysprepSource(Model):
    """Answer files for Windows; choose one."""

    config_map: LocalObjectReference | None = None
    """ConfigMap with Autounattend.xml or Unattend.xml."""
    secret: LocalObjectReference | None = None
    """Secret with Autounattend.xml or Unattend.xml."""


class Volume(Model):
    """Content for the disk or filesystem of the same name; choose one source."""

    name: str
    """Name of the volume and of its disk."""
    cloud_init_config_drive: CloudInitSource | None = None
    """Cloud-init data as an OpenStack config drive."""
    cloud_init_no_cloud: CloudInitSource | None = None
    """Cloud-init data as a NoCloud seed."""
    config_map: ConfigMapVolume | None = None
    """A ConfigMap's files."""
    container_disk: ContainerDiskVolume | None = None
    """A disk image inside a container image; changes are lost when the run ends."""
    container_path: ContainerPathVolume | None = None
    """A directory inside a container image, read-only."""
    data_volume: DataVolumeVolume | None = None
    """A data volume's claim."""
    downward_api: DownwardAPIVolume | None = Field(None, alias="downwardAPI")
    """Fields of the instance as files."""
    downward_metrics: Empty | None = None
    """Metrics of the host."""
    empty_disk: EmptyDiskVolume | None = None
    """An empty disk that lasts as long as the run."""
    ephemeral: EphemeralVolume | None = None
    """A claim that is only read; changes are lost when the run ends."""
    host_disk: HostDisk | None = None
    """A file on the node."""
    memory_dump: PersistentVolumeClaimVolume | None = None
    """A claim that receives dumps of guest memory."""
    persistent_volume_claim: PersistentVolumeClaimVolume | None = None
    """A claim in the same namespace."""
    secret: SecretVolume | None = None
    """A Secret's files."""
    service_account: ServiceAccountVolume | None = None
    """A service account's token."""
    sysprep: SysprepSource | None = None
    """Answer files for Windows."""
