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
    """Annotations of the claim."""
    labels: dict[str, str] | None = None
    """Labels of the claim."""
    restore_name: str | None = None
    """Name of the claim."""
    volume_name: str | None = None
    """Volume that is meant."""


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
    """Claim that is made."""
    volume_name: str
    """Name of the volume."""
    volume_snapshot_name: str
    """Snapshot it is made from."""
    data_volume_name: str | None = None
    """Data volume that is restored."""


class VirtualMachineRestoreStatus(Model):
    """How far a restore is."""

    complete: bool | None = None
    """The restore has ended."""
    conditions: AtomicList[Condition] | None = None
    """What holds of the restore now."""
    deleted_data_volumes: SetList[str] | None = None
    """Data volumes that were replaced."""
    restore_time: Time | None = None
    """When it ended."""
    restores: AtomicList[VolumeRestore] | None = None
    """Volumes restored."""


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
    """Details for people."""
    time: Time | None = None
    """When it happened."""


class SnapshotVolumes(Model):
    """Volumes that are in the snapshot, and those left out."""

    excluded_volumes: SetList[str] | None = None
    """Volumes left out."""
    included_volumes: SetList[str] | None = None
    """Volumes in the snapshot."""


class SourceIndication(Model):
    """Something to know of the source when the snapshot was taken."""

    indication: str
    """One word for programs."""
    message: str
    """Details for people."""


class VirtualMachineSnapshotStatus(Model):
    """How far a snapshot is."""

    conditions: AtomicList[Condition] | None = None
    """What holds of the snapshot now."""
    creation_time: NullOr[Time] = None
    """When it was taken."""
    error: SnapshotError | None = None
    """The last error."""
    indications: SetList[str] | None = None
    """What to know of the guest when it was taken."""
    phase: str | None = None
    """InProgress, Succeeded, Failed and others."""
    ready_to_use: bool | None = None
    """It can be restored."""
    snapshot_volumes: SnapshotVolumes | None = None
    """Volumes in it, and those left out."""
    source_indications: AtomicList[SourceIndication] | None = None
    """What to know of the source, with explanations."""
    source_uid: str | None = Field(None, alias="sourceUID")
    """UID of the machine."""
    virtual_machine_snapshot_content_name: str | None = None
    """Object that holds the content."""


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
    """The machine as it was."""


class ClaimBackup(Model):
    """A claim as it was."""

    metadata: AnyObject | None = None
    """Its metadata."""
    spec: PersistentVolumeClaimSpec | None = None
    """Its spec."""


class VolumeBackup(Model):
    """One volume of a snapshot."""

    persistent_volume_claim: ClaimBackup
    """The claim as it was."""
    volume_name: str
    """Name of the volume."""
    volume_snapshot_name: str | None = None
    """Name of the VolumeSnapshot."""


class VirtualMachineSnapshotContentSpec(Model):
    """The machine and its volumes."""

    source: SnapshotContentSource
    """What was snapshotted."""
    virtual_machine_snapshot_name: str | None = None
    """Snapshot it belongs to."""
    volume_backups: AtomicList[VolumeBackup] | None = None
    """Its volumes."""


class ContentVolumeSnapshotStatus(Model):
    """State of one volume's snapshot."""

    volume_snapshot_name: str
    """Name of the VolumeSnapshot."""
    creation_time: NullOr[Time] = None
    """When it was taken."""
    error: SnapshotError | None = None
    """The last error."""
    ready_to_use: bool | None = None
    """It can be restored."""


class VirtualMachineSnapshotContentStatus(Model):
    """How far the volumes are."""

    creation_time: NullOr[Time] = None
    """When the snapshot was taken."""
    error: SnapshotError | None = None
    """The last error."""
    ready_to_use: bool | None = None
    """It can be restored."""
    volume_snapshot_status: AtomicList[ContentVolumeSnapshotStatus] | None = None
    """State of each volume's snapshot."""


class VirtualMachineSnapshotContent(Resource):
    """What a snapshot holds."""

    spec: VirtualMachineSnapshotContentSpec
    """The machine and its volumes."""
    status: VirtualMachineSnapshotContentStatus | None = None
    """How far the volumes are."""
