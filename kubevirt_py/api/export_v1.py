"""export.kubevirt.io: disks and manifests offered for download."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import AtomicList, Model, Resource, Time, map_keys
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference


class VirtualMachineExportSpec(Model):
    """What is offered, and for how long."""

    source: TypedLocalObjectReference
    """The machine, snapshot, backup or claim offered."""
    token_secret_ref: str | None = None
    """Secret whose token downloads need; made unless set."""
    ttl_duration: str | None = None
    """How long the export stays."""


class ExportBackupEndpoint(Model):
    """Where to read a backup."""

    endpoint: str
    """What is read there: data or map."""
    url: str
    """Address."""


class ExportBackup(Model):
    """A backup offered."""

    name: str
    """Name of the volume."""
    endpoints: Annotated[list[ExportBackupEndpoint], map_keys("endpoint")] | None = None
    """Where to read it."""


class ExportManifest(Model):
    """Manifests offered."""

    type: str
    """all, or auth-header-secret."""
    url: str
    """Address."""


class ExportVolumeFormat(Model):
    """A format of a volume."""

    format: str
    """raw, gzip, dir or archive."""
    url: str
    """Address."""


class ExportVolume(Model):
    """A volume offered."""

    name: str
    """Name of the volume."""
    formats: Annotated[list[ExportVolumeFormat], map_keys("format")] | None = None
    """Formats it is offered in."""


class ExportLink(Model):
    """Links and the certificate to trust."""

    cert: str
    """Certificate to trust."""
    backups: Annotated[list[ExportBackup], map_keys("name")] | None = None
    """Backups."""
    manifests: Annotated[list[ExportManifest], map_keys("type")] | None = None
    """Manifests."""
    volumes: Annotated[list[ExportVolume], map_keys("name")] | None = None
    """Volumes."""


class ExportLinks(Model):
    """Links from inside and outside the cluster."""

    external: ExportLink | None = None
    """From outside the cluster."""
    internal: ExportLink | None = None
    """From inside the cluster."""


class VirtualMachineExportStatus(Model):
    """Where it can be downloaded."""

    conditions: AtomicList[Condition] | None = None
    """What holds of the export now."""
    links: ExportLinks | None = None
    """Where to download."""
    phase: str | None = None
    """Pending, Ready, Skipped or Terminated."""
    service_name: str | None = None
    """Service of the exporter."""
    token_secret_ref: str | None = None
    """Secret whose token downloads need."""
    ttl_expiration_time: Time | None = None
    """When the export ends."""
    virtual_machine_name: str | None = None
    """Machine it belongs to."""


class VirtualMachineExport(Resource):
    """Disks and manifests of a machine, snapshot or claim offered for download."""

    spec: VirtualMachineExportSpec
    """What is offered, and for how long."""
    status: VirtualMachineExportStatus | None = None
    """Where it can be downloaded."""
