"""snapshot.kubevirt.io: snapshots of a VirtualMachine, their content, and restoring them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AnyObject, AtomicList, Model, NullOr, Resource, SetList, Time
from kubevirt_py.api.k8s import PersistentVolumeClaimSpec
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference
from kubevirt_py.api.v1.vm import VirtualMachineSpec, VirtualMachineStatus


class VolumeRestoreOverride(Model):
    """"""

    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    restore_name: str | None = None
    volume_name: str | None = None


class VirtualMachineRestoreSpec(Model):
    """"""

    target: TypedLocalObjectReference
    virtual_machine_snapshot_name: str
    patches: AtomicList[str] | None = None
    target_readiness_policy: Literal["StopTarget", "WaitGracePeriod", "FailImmediate", "WaitEventually"] = (
        "WaitGracePeriod"
    )
    volume_ownership_policy: str | None = None
    volume_restore_overrides: AtomicList[VolumeRestoreOverride] | None = None
    volume_restore_policy: str | None = None


class VolumeRestore(Model):
    """"""

    persistent_volume_claim: str
    volume_name: str
    volume_snapshot_name: str
    data_volume_name: str | None = None


class VirtualMachineRestoreStatus(Model):
    """"""

    complete: bool | None = None
    conditions: AtomicList[Condition] | None = None
    deleted_data_volumes: SetList[str] | None = None
    restore_time: Time | None = None
    restores: AtomicList[VolumeRestore] | None = None


class VirtualMachineRestore(Resource):
    """"""

    spec: VirtualMachineRestoreSpec
    status: VirtualMachineRestoreStatus | None = None


class VirtualMachineSnapshotSpec(Model):
    """"""

    source: TypedLocalObjectReference
    deletion_policy: str | None = None
    failure_deadline: str | None = None


class SnapshotError(Model):
    """"""

    message: str | None = None
    time: Time | None = None


class SnapshotVolumes(Model):
    """"""

    excluded_volumes: SetList[str] | None = None
    included_volumes: SetList[str] | None = None


class SourceIndication(Model):
    """"""

    indication: str
    message: str


class VirtualMachineSnapshotStatus(Model):
    """"""

    conditions: AtomicList[Condition] | None = None
    creation_time: NullOr[Time] = None
    error: SnapshotError | None = None
    indications: SetList[str] | None = None
    phase: str | None = None
    ready_to_use: bool | None = None
    snapshot_volumes: SnapshotVolumes | None = None
    source_indications: AtomicList[SourceIndication] | None = None
    source_uid: str | None = Field(None, alias="sourceUID")
    virtual_machine_snapshot_content_name: str | None = None


class VirtualMachineSnapshot(Resource):
    """"""

    spec: VirtualMachineSnapshotSpec
    status: VirtualMachineSnapshotStatus | None = None


class SnapshottedVirtualMachine(Model):
    """"""

    metadata: NullOr[AnyObject] = None
    spec: VirtualMachineSpec | None = None
    status: VirtualMachineStatus | None = None


class SnapshotContentSource(Model):
    """"""

    virtual_machine: SnapshottedVirtualMachine | None = None


class ClaimBackup(Model):
    """"""

    metadata: AnyObject | None = None
    spec: PersistentVolumeClaimSpec | None = None


class VolumeBackup(Model):
    """"""

    persistent_volume_claim: ClaimBackup
    volume_name: str
    volume_snapshot_name: str | None = None


class VirtualMachineSnapshotContentSpec(Model):
    """"""

    source: SnapshotContentSource
    virtual_machine_snapshot_name: str | None = None
    volume_backups: AtomicList[VolumeBackup] | None = None


class ContentVolumeSnapshotStatus(Model):
    """"""

    volume_snapshot_name: str
    creation_time: NullOr[Time] = None
    error: SnapshotError | None = None
    ready_to_use: bool | None = None


class VirtualMachineSnapshotContentStatus(Model):
    """"""

    creation_time: NullOr[Time] = None
    error: SnapshotError | None = None
    ready_to_use: bool | None = None
    volume_snapshot_status: AtomicList[ContentVolumeSnapshotStatus] | None = None


class VirtualMachineSnapshotContent(Resource):
    """"""

    spec: VirtualMachineSnapshotContentSpec
    status: VirtualMachineSnapshotContentStatus | None = None
