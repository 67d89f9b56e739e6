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
    url: str


class ExportBackup(Model):
    """A backup offered."""

    name: str
    endpoints: Annotated[list[ExportBackupEndpoint], map_keys("endpoint")] | None = None


class ExportManifest(Model):
    """Manifests offered."""

    type: str
    url: str


class ExportVolumeFormat(Model):
    """A format of a volume."""

    format: str
    url: str


class ExportVolume(Model):
    """A volume offered."""

    name: str
    formats: Annotated[list[ExportVolumeFormat], map_keys("format")] | None = None


class ExportLink(Model):
    """Links and the certificate to trust."""

    cert: str
    backups: Annotated[list[ExportBackup], map_keys("name")] | None = None
    manifests: Annotated[list[ExportManifest], map_keys("type")] | None = None
    volumes: Annotated[list[ExportVolume], map_keys("name")] | None = None


class ExportLinks(Model):
    """Links from inside and outside the cluster."""

    external: ExportLink | None = None
    internal: ExportLink | None = None


class VirtualMachineExportStatus(Model):
    """Where it can be downloaded."""

    conditions: AtomicList[Condition] | None = None
    links: ExportLinks | None = None
    phase: str | None = None
    service_name: str | None = None
    token_secret_ref: str | None = None
    ttl_expiration_time: Time | None = None
    virtual_machine_name: str | None = None


class VirtualMachineExport(Resource):
    """Disks and manifests of a machine, snapshot or claim offered for download."""

    spec: VirtualMachineExportSpec
    """What is offered, and for how long."""
    status: VirtualMachineExportStatus | None = None
    """Where it can be downloaded."""
