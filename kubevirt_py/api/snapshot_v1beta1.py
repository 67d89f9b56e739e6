"""snapshot.kubevirt.io: snapshots of a VirtualMachine, their content, and restoring them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AnyObject, AtomicList, Model, NullOr, Resource, SetList, Time
from kubevirt_py.api.k8s import PersistentVolumeClaimSpec
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference
from kubevirt_py.api.v1.vm import VirtualMachineSpec, VirtualMachineStatus


class VolumeRestoreOverride(Model):
    """Another name, label or annotation for a restored claim."""

    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    restore_name: str | None = None
    volume_name: str | None = None


class VirtualMachineRestoreSpec(Model):
    """Which snapshot goes to which machine."""

    target: TypedLocalObjectReference
    """The machine to restore, which may be a new one."""
    virtual_machine_snapshot_name: str
    """The snapshot to restore."""
    patches: AtomicList[str] | None = None
    """JSON patches of the restored machine."""
    target_readiness_policy: Literal["StopTarget", "WaitGracePeriod", "FailImmediate", "WaitEventually"] = (
        "WaitGracePeriod"
    )
    """What to do when the target runs."""
    volume_ownership_policy: str | None = None
    """Who owns restored claims: the machine (Vm) or nobody (None)."""
    volume_restore_overrides: AtomicList[VolumeRestoreOverride] | None = None
    """Names, labels and annotations of restored claims."""
    volume_restore_policy: str | None = None
    """How restored claims are named."""


class VolumeRestore(Model):
    """How a volume is restored."""

    persistent_volume_claim: str
    volume_name: str
    volume_snapshot_name: str
    data_volume_name: str | None = None


class VirtualMachineRestoreStatus(Model):
    """How far a restore is."""

    complete: bool | None = None
    conditions: AtomicList[Condition] | None = None
    deleted_data_volumes: SetList[str] | None = None
    restore_time: Time | None = None
    restores: AtomicList[VolumeRestore] | None = None


class VirtualMachineRestore(Resource):
    """Puts a snapshot back."""

    spec: VirtualMachineRestoreSpec
    """Which snapshot, and to which machine."""
    status: VirtualMachineRestoreStatus | None = None
    """How far it is."""


class VirtualMachineSnapshotSpec(Model):
    """Which machine, and what becomes of the content."""

    source: TypedLocalObjectReference
    """The machine to snapshot."""
    deletion_policy: str | None = None
    """What becomes of the content when the snapshot is removed: Delete or Retain."""
    failure_deadline: str | None = None
    """How long it may take; 5m unless set."""


class SnapshotError(Model):
    """The last error."""

    message: str | None = None
    time: Time | None = None


class SnapshotVolumes(Model):
    """Volumes that are in the snapshot, and those left out."""

    excluded_volumes: SetList[str] | None = None
    included_volumes: SetList[str] | None = None


class SourceIndication(Model):
    """Something to know of the source when the snapshot was taken."""

    indication: str
    message: str


class VirtualMachineSnapshotStatus(Model):
    """How far a snapshot is."""

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
    """A machine's definition and disks at one moment."""

    spec: VirtualMachineSnapshotSpec
    """Which machine."""
    status: VirtualMachineSnapshotStatus | None = None
    """How far it is."""


class SnapshottedVirtualMachine(Model):
    """The machine as it was."""

    metadata: NullOr[AnyObject] = None
    """Its metadata."""
    spec: VirtualMachineSpec | None = None
    """Its spec."""
    status: VirtualMachineStatus | None = None
    """Its status."""


class SnapshotContentSource(Model):
    """What was snapshotted."""

    virtual_machine: SnapshottedVirtualMachine | None = None


class ClaimBackup(Model):
    """A claim as it was."""

    metadata: AnyObject | None = None
    """Its metadata."""
    spec: PersistentVolumeClaimSpec | None = None
    """Its spec."""


class VolumeBackup(Model):
    """One volume of a snapshot."""

    persistent_volume_claim: ClaimBackup
    volume_name: str
    volume_snapshot_name: str | None = None


class VirtualMachineSnapshotContentSpec(Model):
    """The machine and its volumes."""

    source: SnapshotContentSource
    virtual_machine_snapshot_name: str | None = None
    volume_backups: AtomicList[VolumeBackup] | None = None


class ContentVolumeSnapshotStatus(Model):
    """State of one volume's snapshot."""

    volume_snapshot_name: str
    creation_time: NullOr[Time] = None
    error: SnapshotError | None = None
    ready_to_use: bool | None = None


class VirtualMachineSnapshotContentStatus(Model):
    """How far the volumes are."""

    creation_time: NullOr[Time] = None
    error: SnapshotError | None = None
    ready_to_use: bool | None = None
    volume_snapshot_status: AtomicList[ContentVolumeSnapshotStatus] | None = None


class VirtualMachineSnapshotContent(Resource):
    """What a snapshot holds."""

    spec: VirtualMachineSnapshotContentSpec
    """The machine and its volumes."""
    status: VirtualMachineSnapshotContentStatus | None = None
    """How far the volumes are."""
