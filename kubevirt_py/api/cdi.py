"""Volumes that the containerized data importer (CDI) fills: the part of its API that a VirtualMachine carries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AnyObject, Empty, Model, NullOr
from kubevirt_py.api.k8s import PersistentVolumeClaimSpec, ResourceRequirements
from kubevirt_py.api.meta import LabelSelector, NamespacedName, TypedLocalObjectReference, TypedObjectReference


class DataVolumeCheckpoint(Model):
    """"""

    current: str
    previous: str


class GCSSource(Model):
    """"""

    url: str
    secret_ref: str | None = None


class HTTPSource(Model):
    """"""

    url: str
    cert_config_map: str | None = None
    extra_headers: list[str] | None = None
    secret_extra_headers: list[str] | None = None
    secret_ref: str | None = None


class ImageIOSource(Model):
    """"""

    disk_id: str
    url: str
    cert_config_map: str | None = None
    insecure_skip_verify: bool | None = None
    secret_ref: str | None = None


class RegistryPlatform(Model):
    """"""

    architecture: str | None = None


class RegistrySource(Model):
    """"""

    cert_config_map: str | None = None
    image_stream: str | None = None
    platform: RegistryPlatform | None = None
    pull_method: str | None = None
    secret_ref: str | None = None
    url: str | None = None


class S3Source(Model):
    """"""

    url: str
    cert_config_map: str | None = None
    secret_ref: str | None = None


class VDDKSource(Model):
    """"""

    backing_file: str | None = None
    extra_args: str | None = None
    init_image_url: str | None = Field(None, alias="initImageURL")
    secret_ref: str | None = None
    thumbprint: str | None = None
    url: str | None = None
    uuid: str | None = None


class DataVolumeSource(Model):
    """"""

    blank: Empty | None = None
    gcs: GCSSource | None = None
    http: HTTPSource | None = None
    imageio: ImageIOSource | None = None
    pvc: NamespacedName | None = None
    registry: RegistrySource | None = None
    s3: S3Source | None = None
    snapshot: NamespacedName | None = None
    upload: Empty | None = None
    vddk: VDDKSource | None = None


class DataVolumeSourceRef(Model):
    """"""

    kind: str
    name: str
    namespace: str | None = None


class StorageSpec(Model):
    """"""

    access_modes: list[str] | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: ResourceRequirements | None = None
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str | None = None


class DataVolumeSpec(Model):
    """"""

    checkpoints: list[DataVolumeCheckpoint] | None = None
    content_type: Literal["kubevirt", "archive"] | None = None
    final_checkpoint: bool | None = None
    preallocation: bool | None = None
    priority_class_name: str | None = None
    pvc: PersistentVolumeClaimSpec | None = None
    source: DataVolumeSource | None = None
    source_ref: DataVolumeSourceRef | None = None
    storage: StorageSpec | None = None


class DataVolumeTemplate(Model):
    """"""

    spec: DataVolumeSpec
    api_version: str | None = None
    kind: str | None = None
    metadata: NullOr[AnyObject] = None
    status: NullOr[Empty] = None
