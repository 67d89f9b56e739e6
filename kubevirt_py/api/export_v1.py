"""export.kubevirt.io: disks and manifests offered for download."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import AtomicList, Model, Resource, Time, map_keys
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference


class VirtualMachineExportSpec(Model):
    """"""

    source: TypedLocalObjectReference
    token_secret_ref: str | None = None
    ttl_duration: str | None = None


class ExportBackupEndpoint(Model):
    """"""

    endpoint: str
    url: str


class ExportBackup(Model):
    """"""

    name: str
    endpoints: Annotated[list[ExportBackupEndpoint], map_keys("endpoint")] | None = None


class ExportManifest(Model):
    """"""

    type: str
    url: str


class ExportVolumeFormat(Model):
    """"""

    format: str
    url: str


class ExportVolume(Model):
    """"""

    name: str
    formats: Annotated[list[ExportVolumeFormat], map_keys("format")] | None = None


class ExportLink(Model):
    """"""

    cert: str
    backups: Annotated[list[ExportBackup], map_keys("name")] | None = None
    manifests: Annotated[list[ExportManifest], map_keys("type")] | None = None
    volumes: Annotated[list[ExportVolume], map_keys("name")] | None = None


class ExportLinks(Model):
    """"""

    external: ExportLink | None = None
    internal: ExportLink | None = None


class VirtualMachineExportStatus(Model):
    """"""

    conditions: AtomicList[Condition] | None = None
    links: ExportLinks | None = None
    phase: str | None = None
    service_name: str | None = None
    token_secret_ref: str | None = None
    ttl_expiration_time: Time | None = None
    virtual_machine_name: str | None = None


class VirtualMachineExport(Resource):
    """"""

    spec: VirtualMachineExportSpec
    status: VirtualMachineExportStatus | None = None
