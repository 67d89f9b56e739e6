"""VirtualMachine: a guest that exists whether or not it runs."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Int64, Model, NullOr, Resource, Time
from kubevirt_py.api.cdi import DataVolumeTemplate
from kubevirt_py.api.meta import Condition
from kubevirt_py.api.v1.disks import Disk
from kubevirt_py.api.v1.storage_status import ChangedBlockTrackingStatus, MigratedVolume
from kubevirt_py.api.v1.vmi import VirtualMachineInstanceTemplate
from kubevirt_py.api.v1.volumes import DataVolumeVolume, PersistentVolumeClaimVolume


class InstancetypeMatcher(Model):
    """"""

    infer_from_volume: str | None = None
    infer_from_volume_failure_policy: str | None = None
    kind: str | None = None
    name: str | None = None
    revision_name: str | None = None


class VirtualMachineSpec(Model):
    """"""

    template: VirtualMachineInstanceTemplate
    data_volume_templates: list[NullOr[DataVolumeTemplate]] | None = None
    instancetype: InstancetypeMatcher | None = None
    preference: InstancetypeMatcher | None = None
    run_strategy: str | None = None
    running: bool | None = None
    update_volumes_strategy: str | None = None


class ControllerRevisionRef(Model):
    """"""

    name: str | None = None


class InstancetypeStatusRef(Model):
    """"""

    controller_revision_ref: ControllerRevisionRef | None = None
    infer_from_volume: str | None = None
    infer_from_volume_failure_policy: str | None = None
    kind: str | None = None
    name: str | None = None


class MemoryDumpRequest(Model):
    """"""

    claim_name: str
    phase: str
    end_timestamp: Time | None = None
    file_name: str | None = None
    message: str | None = None
    remove: bool | None = None
    start_timestamp: Time | None = None


class StartFailure(Model):
    """"""

    consecutive_fail_count: int | None = None
    last_failed_vmiuid: str | None = Field(None, alias="lastFailedVMIUID")
    retry_after_timestamp: Time | None = None


class StateChangeRequest(Model):
    """"""

    action: str
    data: dict[str, str] | None = None
    uid: str | None = None


class HotplugVolumeSource(Model):
    """"""

    data_volume: DataVolumeVolume | None = None
    persistent_volume_claim: PersistentVolumeClaimVolume | None = None


class AddVolumeOptions(Model):
    """"""

    disk: Disk
    name: str
    volume_source: HotplugVolumeSource
    dry_run: AtomicList[str] | None = None


class RemoveVolumeOptions(Model):
    """"""

    name: str
    dry_run: AtomicList[str] | None = None


class VolumeRequest(Model):
    """"""

    add_volume_options: AddVolumeOptions | None = None
    remove_volume_options: RemoveVolumeOptions | None = None


class VolumeSnapshotStatus(Model):
    """"""

    enabled: bool
    name: str
    reason: str | None = None


class VolumeMigrationState(Model):
    """"""

    migrated_volumes: AtomicList[MigratedVolume] | None = None


class VolumeUpdateState(Model):
    """"""

    volume_migration_state: VolumeMigrationState | None = None


class VirtualMachineStatus(Model):
    """"""

    changed_block_tracking: NullOr[ChangedBlockTrackingStatus] = None
    conditions: list[Condition] | None = None
    created: bool | None = None
    desired_generation: Int64 | None = None
    instancetype_ref: NullOr[InstancetypeStatusRef] = None
    memory_dump_request: NullOr[MemoryDumpRequest] = None
    observed_generation: Int64 | None = None
    preference_ref: NullOr[InstancetypeStatusRef] = None
    printable_status: str = "Stopped"
    ready: bool | None = None
    restore_in_progress: str | None = None
    run_strategy: str | None = None
    snapshot_in_progress: str | None = None
    start_failure: NullOr[StartFailure] = None
    state_change_requests: list[StateChangeRequest] | None = None
    volume_requests: AtomicList[VolumeRequest] | None = None
    volume_snapshot_statuses: list[VolumeSnapshotStatus] | None = None
    volume_update_state: VolumeUpdateState | None = None


class VirtualMachine(Resource):
    """"""

    spec: VirtualMachineSpec
    status: VirtualMachineStatus | None = None
