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
    """Identifier of this checkpoint."""
    previous: str
    """Identifier of the one before."""


class GCSSource(Model):
    """A Google Cloud Storage bucket."""

    url: str
    """Address to read."""
    secret_ref: str | None = None
    """Secret with credentials."""


class HTTPSource(Model):
    """A web server."""

    url: str
    """Address to read."""
    cert_config_map: str | None = None
    """ConfigMap with certificates to trust."""
    extra_headers: list[str] | None = None
    """Headers to send."""
    secret_extra_headers: list[str] | None = None
    """Secrets with headers to send."""
    secret_ref: str | None = None
    """Secret with credentials."""


class ImageIOSource(Model):
    """An oVirt image service."""

    disk_id: str
    """Identifier of the disk."""
    url: str
    """Address of the engine."""
    cert_config_map: str | None = None
    """ConfigMap with certificates to trust."""
    insecure_skip_verify: bool | None = None
    """Do not check the server's certificate."""
    secret_ref: str | None = None
    """Secret with credentials."""


class RegistryPlatform(Model):
    """Platform of an image."""

    architecture: str | None = None
    """CPU architecture of the image."""


class RegistrySource(Model):
    """A container registry."""

    cert_config_map: str | None = None
    """ConfigMap with certificates to trust."""
    image_stream: str | None = None
    """ImageStream to read."""
    platform: RegistryPlatform | None = None
    """Platform of the image."""
    pull_method: str | None = None
    """pod or node."""
    secret_ref: str | None = None
    """Secret with credentials."""
    url: str | None = None
    """Image, with docker:// or oci-archive:// in front."""


class S3Source(Model):
    """An S3 bucket."""

    url: str
    """Address to read."""
    cert_config_map: str | None = None
    """ConfigMap with certificates to trust."""
    secret_ref: str | None = None
    """Secret with credentials."""


class VDDKSource(Model):
    """A vSphere disk."""

    backing_file: str | None = None
    """Path of the disk in vSphere."""
    extra_args: str | None = None
    """ConfigMap with further arguments."""
    init_image_url: str | None = Field(None, alias="initImageURL")
    """Image with the VDDK library."""
    secret_ref: str | None = None
    """Secret with credentials."""
    thumbprint: str | None = None
    """Thumbprint of the server's certificate."""
    url: str | None = None
    """Address of vCenter or ESXi."""
    uuid: str | None = None
    """UUID of the machine."""


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
    """DataSource."""
    name: str
    """Name of the object."""
    namespace: str | None = None
    """Its namespace; the same unless set."""


class StorageSpec(Model):
    """A claim with gaps filled for its storage class."""

    access_modes: list[str] | None = None
    """ReadWriteOnce, ReadWriteMany and others."""
    data_source: TypedLocalObjectReference | None = None
    """Claim or snapshot it is filled from."""
    data_source_ref: TypedObjectReference | None = None
    """Object of any kind it is filled from."""
    resources: ResourceRequirements | None = None
    """Its size."""
    selector: LabelSelector | None = None
    """Volumes it may bind to."""
    storage_class_name: str | None = None
    """Storage class."""
    volume_mode: str | None = None
    """Filesystem or Block."""
    volume_name: str | None = None
    """Volume it is bound to."""


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
    """Version of the data volume's API."""
    kind: str | None = None
    """DataVolume."""
    metadata: NullOr[AnyObject] = None
    """Name, labels and annotations of the data volume."""
    status: NullOr[Empty] = None
    """Without effect."""
