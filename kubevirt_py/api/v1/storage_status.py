"""Status of claims, volume migration and backups, shared by VirtualMachine and VirtualMachineInstance."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, NullOr, Quantity, Ratio, Time


class BackupVolume(Model):
    """A volume in a backup."""

    volume_name: str
    """Name of the volume."""


class BackupStatus(Model):
    """The last or current backup."""

    backup_msg: str | None = None
    """Details for people."""
    backup_name: str | None = None
    """Name of the backup."""
    checkpoint_name: str | None = None
    """Checkpoint it makes."""
    completed: bool | None = None
    """It has ended."""
    end_timestamp: Time | None = None
    """When it ended."""
    failed: bool | None = None
    """It ended without success."""
    quiesce_status: str | None = None
    """Whether the guest's filesystems were frozen."""
    start_timestamp: Time | None = None
    """When it began."""
    volumes: AtomicList[BackupVolume] | None = None
    """Volumes in it."""


class ChangedBlockTrackingStatus(Model):
    """State of changed block tracking."""

    state: str
    """Whether tracking is on, off or changing."""
    backup_status: NullOr[BackupStatus] = None
    """The last or current backup."""


class PersistentVolumeClaimInfo(Model):
    """What is known of a claim."""

    access_modes: AtomicList[str] | None = None
    """Access modes."""
    capacity: dict[str, Quantity] | None = None
    """Sizes."""
    claim_name: str | None = None
    """Name of the claim."""
    filesystem_overhead: Ratio | None = None
    """Part of the size the filesystem takes."""
    preallocated: bool | None = None
    """All space is allocated."""
    requests: dict[str, Quantity] | None = None
    """Sizes asked for."""
    volume_mode: str | None = None
    """Filesystem or Block."""


class MigratedVolume(Model):
    """A volume whose data moves to another claim."""

    volume_name: str
    """Name of the volume."""
    destination_pvc_info: PersistentVolumeClaimInfo | None = Field(None, alias="destinationPVCInfo")
    """The claim it moves to."""
    source_pvc_info: PersistentVolumeClaimInfo | None = Field(None, alias="sourcePVCInfo")
    """The claim it moves from."""
