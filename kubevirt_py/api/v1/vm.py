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
    """Names an instance type or a preference."""

    infer_from_volume: str | None = None
    """Take the name from labels of this volume's claim or data source."""
    infer_from_volume_failure_policy: str | None = None
    """What to do when nothing can be inferred: Reject or Ignore."""
    kind: str | None = None
    """Kind of the object; the cluster-wide kind unless set."""
    name: str | None = None
    """Name of the object."""
    revision_name: str | None = None
    """ControllerRevision that holds the content in use."""


class VirtualMachineSpec(Model):
    """When the guest runs, and as what."""

    template: VirtualMachineInstanceTemplate
    """What the instance of this machine is made from at each start."""
    data_volume_templates: list[NullOr[DataVolumeTemplate]] | None = None
    """Data volumes made with this machine and removed with it."""
    instancetype: InstancetypeMatcher | None = None
    """The size the guest is given: CPU, memory, devices."""
    preference: InstancetypeMatcher | None = None
    """What this kind of guest prefers, applied where the template is silent."""
    run_strategy: str | None = None
    """When the guest runs: Always, Halted, Manual, RerunOnFailure or Once. Excludes `running`."""
    running: bool | None = None
    """Deprecated form of runStrategy: true is Always, false is Halted."""
    update_volumes_strategy: str | None = None
    """How a changed volume takes effect: Replacement at the next start, or Migration of the data while running."""


class ControllerRevisionRef(Model):
    """Points at the revision that holds a copy of the object."""

    name: str | None = None
    """Name of the ControllerRevision."""


class InstancetypeStatusRef(Model):
    """An instance type or preference in use."""

    controller_revision_ref: ControllerRevisionRef | None = None
    """Revision that holds the content in use."""
    infer_from_volume: str | None = None
    """Volume the name was taken from."""
    infer_from_volume_failure_policy: str | None = None
    """What to do when nothing can be inferred."""
    kind: str | None = None
    """Kind of the object."""
    name: str | None = None
    """Name of the object."""


class MemoryDumpRequest(Model):
    """A dump of guest memory into a claim."""

    claim_name: str
    """Claim that receives the dump."""
    phase: str
    """How far it is."""
    end_timestamp: Time | None = None
    """When it ended."""
    file_name: str | None = None
    """File inside the claim."""
    message: str | None = None
    """Details for people."""
    remove: bool | None = None
    """The claim shall be detached."""
    start_timestamp: Time | None = None
    """When it began."""


class StartFailure(Model):
    """How often starting has failed in a row."""

    consecutive_fail_count: int | None = None
    """Failures since the last success."""
    last_failed_vmiuid: str | None = Field(None, alias="lastFailedVMIUID")
    """UID of the instance that failed last."""
    retry_after_timestamp: Time | None = None
    """The next start is not tried before this time."""


class StateChangeRequest(Model):
    """A start or stop that was asked for."""

    action: str
    """Start or Stop."""
    data: dict[str, str] | None = None
    """Options of the action, such as paused."""
    uid: str | None = None
    """The instance meant, for Stop."""


class HotplugVolumeSource(Model):
    """Where an added volume's content comes from."""

    data_volume: DataVolumeVolume | None = None
    """A data volume's claim."""
    persistent_volume_claim: PersistentVolumeClaimVolume | None = None
    """A claim."""


class AddVolumeOptions(Model):
    """The volume and disk to add to a running guest."""

    disk: Disk
    """The disk to add."""
    name: str
    """Name of disk and volume."""
    volume_source: HotplugVolumeSource
    """Where the content comes from."""
    dry_run: AtomicList[str] | None = None
    """Only check."""


class RemoveVolumeOptions(Model):
    """The volume to remove from a running guest."""

    name: str
    """Name of the volume."""
    dry_run: AtomicList[str] | None = None
    """Only check."""


class VolumeRequest(Model):
    """A volume to add or to remove."""

    add_volume_options: AddVolumeOptions | None = None
    """A volume to add."""
    remove_volume_options: RemoveVolumeOptions | None = None
    """A volume to remove."""


class VolumeSnapshotStatus(Model):
    """Whether a volume can be snapshotted."""

    enabled: bool
    """It can be snapshotted."""
    name: str
    """Name of the volume."""
    reason: str | None = None
    """Why not."""


class VolumeMigrationState(Model):
    """Volumes whose data moves to other claims."""

    migrated_volumes: AtomicList[MigratedVolume] | None = None
    """Volumes whose data moves."""


class VolumeUpdateState(Model):
    """How a change of volumes proceeds."""

    volume_migration_state: VolumeMigrationState | None = None
    """Volumes whose data moves."""


class VirtualMachineStatus(Model):
    """What is known of the machine."""

    changed_block_tracking: NullOr[ChangedBlockTrackingStatus] = None
    """State of changed block tracking for incremental backups."""
    conditions: list[Condition] | None = None
    """What holds of the machine now."""
    created: bool | None = None
    """Whether an instance exists."""
    desired_generation: Int64 | None = None
    """Generation of the spec as last seen."""
    instancetype_ref: NullOr[InstancetypeStatusRef] = None
    """The instance type in use, fixed to a revision."""
    memory_dump_request: NullOr[MemoryDumpRequest] = None
    """The memory dump asked for, and how far it is."""
    observed_generation: Int64 | None = None
    """Generation the running instance was made from."""
    preference_ref: NullOr[InstancetypeStatusRef] = None
    """The preference in use, fixed to a revision."""
    printable_status: str = "Stopped"
    """One word for people: Running, Stopped, ErrorUnschedulable and so on."""
    ready: bool | None = None
    """Whether the guest runs and is ready."""
    restore_in_progress: str | None = None
    """Name of the restore that holds this machine."""
    run_strategy: str | None = None
    """Run strategy in effect."""
    snapshot_in_progress: str | None = None
    """Name of the snapshot that holds this machine."""
    start_failure: NullOr[StartFailure] = None
    """Count of failed starts, for the back-off."""
    state_change_requests: list[StateChangeRequest] | None = None
    """Starts and stops asked for and not yet done."""
    volume_requests: AtomicList[VolumeRequest] | None = None
    """Volumes to add or remove, not yet done."""
    volume_snapshot_statuses: list[VolumeSnapshotStatus] | None = None
    """For each volume, whether it can be snapshotted."""
    volume_update_state: VolumeUpdateState | None = None
    """State of volumes being replaced or migrated."""


class VirtualMachine(Resource):
    """A guest that exists whether or not it runs."""

    spec: VirtualMachineSpec
    """What the user wants."""
    status: VirtualMachineStatus | None = None
    """What is so."""
