"""backup.kubevirt.io: full and incremental backups of a VirtualMachine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Cel, Model, Resource, Time, map_keys
from kubevirt_py.api.meta import StandardCondition, TypedLocalObjectReference


class VirtualMachineBackupSpec(Model):
    """"""

    source: Annotated[
        TypedLocalObjectReference,
        Cel("has(self.apiGroup)", "apiGroup must be set"),
        Cel(
            "!has(self.apiGroup) || self.apiGroup == 'kubevirt.io' || self.apiGroup == 'backup.kubevirt.io'",
            "apiGroup must be kubevirt.io or backup.kubevirt.io",
        ),
        Cel(
            "!has(self.apiGroup) || (self.apiGroup == 'kubevirt.io' && self.kind == 'VirtualMachine') || (self.apiGroup == 'backup.kubevirt.io' && self.kind == 'VirtualMachineBackupTracker')",
            "kind must be VirtualMachine of kubevirt.io or VirtualMachineBackupTracker of backup.kubevirt.io",
        ),
        Cel("self.name != ''", "name must not be empty"),
    ]
    force_full_backup: bool | None = None
    mode: Literal["Push", "Pull"] | None = None
    pvc_name: str | None = None
    skip_quiesce: bool | None = None
    token_secret_ref: str | None = None
    ttl_duration: str | None = None


class BackupVolumeInfo(Model):
    """"""

    volume_name: str
    data_endpoint: str | None = None
    map_endpoint: str | None = None


class VirtualMachineBackupStatus(Model):
    """"""

    checkpoint_name: str | None = None
    conditions: Annotated[list[StandardCondition], map_keys("type")] | None = None
    endpoint_cert: str | None = None
    export_uid: str | None = Field(None, alias="exportUID")
    included_volumes: AtomicList[BackupVolumeInfo] | None = None
    type: str | None = None


class VirtualMachineBackup(Resource):
    """"""

    spec: Annotated[
        VirtualMachineBackupSpec,
        Cel("self == oldSelf", "the spec cannot be changed once created; create a new object"),
        Cel('has(self.pvcName) && self.pvcName != ""', "pvcName must name the claim that receives the backup"),
        Cel(
            "!has(self.mode) || self.mode != 'Pull' || (has(self.tokenSecretRef) && self.tokenSecretRef != \"\")",
            "mode Pull needs tokenSecretRef",
        ),
    ]
    status: VirtualMachineBackupStatus | None = None


class VirtualMachineBackupTrackerSpec(Model):
    """"""

    source: Annotated[
        TypedLocalObjectReference,
        Cel("has(self.apiGroup) && self.apiGroup == 'kubevirt.io'", "apiGroup must be kubevirt.io"),
        Cel("self.kind == 'VirtualMachine'", "kind must be VirtualMachine"),
        Cel("self.name != ''", "name must not be empty"),
    ]


class BackupCheckpoint(Model):
    """"""

    creation_time: Time | None = None
    name: str | None = None
    volumes: AtomicList[BackupVolumeInfo] | None = None


class VirtualMachineBackupTrackerStatus(Model):
    """"""

    checkpoint_redefinition_required: bool | None = None
    latest_checkpoint: BackupCheckpoint | None = None


class VirtualMachineBackupTracker(Resource):
    """"""

    spec: Annotated[
        VirtualMachineBackupTrackerSpec,
        Cel("self == oldSelf", "the spec cannot be changed once created; create a new object"),
    ]
    status: VirtualMachineBackupTrackerStatus | None = None
