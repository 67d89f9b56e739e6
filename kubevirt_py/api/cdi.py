"""Volumes that the containerized data importer (CDI) fills: the part of its API that a VirtualMachine carries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AnyObject, Empty, Model, NullOr
from kubevirt_py.api.k8s import PersistentVolumeClaimSpec, ResourceRequirements
from kubevirt_py.api.meta import LabelSelector, NamespacedName, TypedLocalObjectReference, TypedObjectReference


class DataVolumeCheckpoint(Model):
    """A stage of a warm import."""

    current: str
    previous: str


class GCSSource(Model):
    """A Google Cloud Storage bucket."""

    url: str
    secret_ref: str | None = None


class HTTPSource(Model):
    """A web server."""

    url: str
    cert_config_map: str | None = None
    extra_headers: list[str] | None = None
    secret_extra_headers: list[str] | None = None
    secret_ref: str | None = None


class ImageIOSource(Model):
    """An oVirt image service."""

    disk_id: str
    url: str
    cert_config_map: str | None = None
    insecure_skip_verify: bool | None = None
    secret_ref: str | None = None


class RegistryPlatform(Model):
    """Platform of an image."""

    architecture: str | None = None


class RegistrySource(Model):
    """A container registry."""

    cert_config_map: str | None = None
    image_stream: str | None = None
    platform: RegistryPlatform | None = None
    pull_method: str | None = None
    secret_ref: str | None = None
    url: str | None = None


class S3Source(Model):
    """An S3 bucket."""

    url: str
    cert_config_map: str | None = None
    secret_ref: str | None = None


class VDDKSource(Model):
    """A vSphere disk."""

    backing_file: str | None = None
    extra_args: str | None = None
    init_image_url: str | None = Field(None, alias="initImageURL")
    secret_ref: str | None = None
    thumbprint: str | None = None
    url: str | None = None
    uuid: str | None = None


class DataVolumeSource(Model):
    """Where content comes from; choose one."""

    blank: Empty | None = None
    """An empty image."""
    gcs: GCSSource | None = None
    """A Google Cloud Storage bucket."""
    http: HTTPSource | None = None
    """A web server."""
    imageio: ImageIOSource | None = None
    """An oVirt image service."""
    pvc: NamespacedName | None = None
    """Another claim."""
    registry: RegistrySource | None = None
    """A container registry."""
    s3: S3Source | None = None
    """An S3 bucket."""
    snapshot: NamespacedName | None = None
    """A volume snapshot."""
    upload: Empty | None = None
    """A client uploads it."""
    vddk: VDDKSource | None = None
    """A vSphere disk."""


class DataVolumeSourceRef(Model):
    """A DataSource."""

    kind: str
    name: str
    namespace: str | None = None


class StorageSpec(Model):
    """A claim with gaps filled for its storage class."""

    access_modes: list[str] | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: ResourceRequirements | None = None
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str | None = None


class DataVolumeSpec(Model):
    """A claim and the content it is filled with."""

    checkpoints: list[DataVolumeCheckpoint] | None = None
    """Stages of a warm import."""
    content_type: Literal["kubevirt", "archive"] | None = None
    """kubevirt for a disk image, archive for a tar file."""
    final_checkpoint: bool | None = None
    """The last checkpoint is the final one."""
    preallocation: bool | None = None
    """Allocate all space at once."""
    priority_class_name: str | None = None
    """Priority class of helper pods."""
    pvc: PersistentVolumeClaimSpec | None = None
    """The claim, spelled out."""
    source: DataVolumeSource | None = None
    """Where the content comes from."""
    source_ref: DataVolumeSourceRef | None = None
    """A DataSource that knows where the content is."""
    storage: StorageSpec | None = None
    """The claim, with gaps filled for its storage class."""


class DataVolumeTemplate(Model):
    """A data volume made with the machine."""

    spec: DataVolumeSpec
    """What it holds."""
    api_version: str | None = None
    kind: str | None = None
    metadata: NullOr[AnyObject] = None
    """Name, labels and annotations of the data volume."""
    status: NullOr[Empty] = None
    """Without effect."""
