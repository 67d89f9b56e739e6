"""Where the content of disks and filesystems comes from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubevirt_py.api.base import AtomicModel, Cel, Empty, Int32, MaxLen, Model, Quantity
from kubevirt_py.api.meta import LocalObjectReference


class UtilityVolume(Model):
    """"""

    claim_name: str
    name: str
    read_only: bool | None = None
    type: str | None = None


class CloudInitSource(Model):
    """"""

    network_data: str | None = None
    network_data_base64: str | None = None
    network_data_secret_ref: LocalObjectReference | None = None
    secret_ref: LocalObjectReference | None = None
    user_data: str | None = None
    user_data_base64: str | None = None


class ConfigMapVolume(AtomicModel):
    """"""

    name: str = ""
    optional: bool | None = None
    volume_label: str | None = None


class ContainerDiskVolume(Model):
    """"""

    image: str
    image_pull_policy: str | None = None
    image_pull_secret: str | None = None
    path: str | None = None


class ContainerPathVolume(Model):
    """"""

    path: Annotated[
        str,
        MaxLen(4096),
        Cel("self.startsWith('/')", "the path must be absolute"),
        Cel("!self.contains('..')", "the path must not contain '..'"),
    ]
    read_only: Annotated[bool, Cel("self == true", "only read-only sharing is supported")] = True


class DataVolumeVolume(Model):
    """"""

    name: str
    hotpluggable: bool | None = None


class ObjectFieldSelector(AtomicModel):
    """"""

    field_path: str
    api_version: str | None = None


class ResourceFieldSelector(AtomicModel):
    """"""

    resource: str
    container_name: str | None = None
    divisor: Quantity | None = None


class DownwardAPIField(Model):
    """"""

    path: str
    field_ref: ObjectFieldSelector | None = None
    mode: Int32 | None = None
    resource_field_ref: ResourceFieldSelector | None = None


class DownwardAPIVolume(Model):
    """"""

    fields: list[DownwardAPIField] | None = None
    volume_label: str | None = None


class EmptyDiskVolume(Model):
    """"""

    capacity: Quantity


class ClaimReference(Model):
    """"""

    claim_name: str
    read_only: bool | None = None


class EphemeralVolume(Model):
    """"""

    persistent_volume_claim: ClaimReference | None = None


class HostDisk(Model):
    """"""

    path: str
    type: str
    capacity: Quantity | None = None
    shared: bool | None = None


class PersistentVolumeClaimVolume(Model):
    """"""

    claim_name: str
    hotpluggable: bool | None = None
    read_only: bool | None = None


class SecretVolume(Model):
    """"""

    optional: bool | None = None
    secret_name: str | None = None
    volume_label: str | None = None


class ServiceAccountVolume(Model):
    """"""

    service_account_name: str | None = None


class SysprepSource(Model):
    """"""

    config_map: LocalObjectReference | None = None
    secret: LocalObjectReference | None = None


class Volume(Model):
    """"""

    name: str
    cloud_init_config_drive: CloudInitSource | None = None
    cloud_init_no_cloud: CloudInitSource | None = None
    config_map: ConfigMapVolume | None = None
    container_disk: ContainerDiskVolume | None = None
    container_path: ContainerPathVolume | None = None
    data_volume: DataVolumeVolume | None = None
    downward_api: DownwardAPIVolume | None = Field(None, alias="downwardAPI")
    downward_metrics: Empty | None = None
    empty_disk: EmptyDiskVolume | None = None
    ephemeral: EphemeralVolume | None = None
    host_disk: HostDisk | None = None
    memory_dump: PersistentVolumeClaimVolume | None = None
    persistent_volume_claim: PersistentVolumeClaimVolume | None = None
    secret: SecretVolume | None = None
    service_account: ServiceAccountVolume | None = None
    sysprep: SysprepSource | None = None
