"""backup.kubevirt.io: full and incremental backups of a VirtualMachine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Cel, Model, Resource, Time, map_keys
from kubevirt_py.api.meta import StandardCondition, TypedLocalObjectReference

FIXED = Cel("self == oldSelf", "the spec cannot be changed once created; create a new object")
NAMED = Cel("self.name != ''", "name must not be empty")
GROUP_GIVEN = Cel("has(self.apiGroup)", "apiGroup must be set")
KNOWN_GROUP = Cel(
    "!has(self.apiGroup) || self.apiGroup == 'kubevirt.io' || self.apiGroup == 'backup.kubevirt.io'",
    "apiGroup must be kubevirt.io or backup.kubevirt.io",
)
MACHINE_OR_TRACKER = Cel(
    "!has(self.apiGroup) || (self.apiGroup == 'kubevirt.io' && self.kind == 'VirtualMachine')"
    " || (self.apiGroup == 'backup.kubevirt.io' && self.kind == 'VirtualMachineBackupTracker')",
    "kind must be VirtualMachine of kubevirt.io or VirtualMachineBackupTracker of backup.kubevirt.io",
)
OUR_GROUP = Cel("has(self.apiGroup) && self.apiGroup == 'kubevirt.io'", "apiGroup must be kubevirt.io")
MACHINE = Cel("self.kind == 'VirtualMachine'", "kind must be VirtualMachine")
HAS_CLAIM = Cel('has(self.pvcName) && self.pvcName != ""', "pvcName must name the claim that receives the backup")
PULL_HAS_TOKEN = Cel(
    "!has(self.mode) || self.mode != 'Pull' || (has(self.tokenSecretRef) && self.tokenSecretRef != \"\")",
    "mode Pull needs tokenSecretRef",
)


class VirtualMachineBackupSpec(Model):
    """What to back up, and where to."""

    source: Annotated[TypedLocalObjectReference, GROUP_GIVEN, KNOWN_GROUP, MACHINE_OR_TRACKER, NAMED]
    """The machine, or the tracker that knows its last checkpoint."""
    force_full_backup: bool | None = None
    """Make a full backup even if an incremental one is possible."""
    mode: Literal["Push", "Pull"] | None = None
    """Push writes into a claim, Pull lets a client read."""
    pvc_name: str | None = None
    """Claim that receives the backup, or holds changes while a client reads."""
    skip_quiesce: bool | None = None
    """Do not freeze the guest's filesystems."""
    token_secret_ref: str | None = None
    """Secret whose token a client needs to read."""
    ttl_duration: str | None = None
    """How long the backup stays readable."""


class BackupVolumeInfo(Model):
    """A volume in a backup, and where to read it."""

    volume_name: str
    """Name of the volume."""
    data_endpoint: str | None = None
    """Where to read data."""
    map_endpoint: str | None = None
    """Where to read which blocks are in use."""


class VirtualMachineBackupStatus(Model):
    """How far a backup is."""

    checkpoint_name: str | None = None
    """Checkpoint it made."""
    conditions: Annotated[list[StandardCondition], map_keys("type")] | None = None
    """What holds of the backup now."""
    endpoint_cert: str | None = None
    """Certificate to trust when reading."""
    export_uid: str | None = Field(None, alias="exportUID")
    """UID of the export it is read through."""
    included_volumes: AtomicList[BackupVolumeInfo] | None = None
    """Volumes in it."""
    type: str | None = None
    """Full or Incremental."""


class VirtualMachineBackup(Resource):
    """A full or incremental backup of a machine's disks."""

    spec: Annotated[VirtualMachineBackupSpec, FIXED, HAS_CLAIM, PULL_HAS_TOKEN]
    """What to back up, and where to. Fixed once created."""
    status: VirtualMachineBackupStatus | None = None
    """How far it is."""


class VirtualMachineBackupTrackerSpec(Model):
    """Which machine is tracked."""

    source: Annotated[TypedLocalObjectReference, OUR_GROUP, MACHINE, NAMED]
    """The machine that is tracked."""


class BackupCheckpoint(Model):
    """A point in time that later backups start from."""

    creation_time: Time | None = None
    """When it was made."""
    name: str | None = None
    """Name of the checkpoint."""
    volumes: AtomicList[BackupVolumeInfo] | None = None
    """Volumes it covers."""


class VirtualMachineBackupTrackerStatus(Model):
    """The last checkpoint."""

    checkpoint_redefinition_required: bool | None = None
    """The checkpoint must be told to the guest's QEMU again."""
    latest_checkpoint: BackupCheckpoint | None = None
    """The last checkpoint."""


class VirtualMachineBackupTracker(Resource):
    """Remembers the last checkpoint of a machine, for incremental backups."""

    spec: Annotated[VirtualMachineBackupTrackerSpec, FIXED]
    """Which machine. Fixed once created."""
    status: VirtualMachineBackupTrackerStatus | None = None
    """The last checkpoint."""
