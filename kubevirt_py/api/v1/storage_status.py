"""Status of claims, volume migration and backups, shared by VirtualMachine and VirtualMachineInstance."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Fraction, Model, NullOr, Quantity, Time


class BackupVolume(Model):
    """A volume in a backup."""

    volume_name: str


class BackupStatus(Model):
    """The last or current backup."""

    backup_msg: str | None = None
    backup_name: str | None = None
    checkpoint_name: str | None = None
    completed: bool | None = None
    end_timestamp: Time | None = None
    failed: bool | None = None
    quiesce_status: str | None = None
    start_timestamp: Time | None = None
    volumes: AtomicList[BackupVolume] | None = None


class ChangedBlockTrackingStatus(Model):
    """State of changed block tracking."""

    state: str
    backup_status: NullOr[BackupStatus] = None


class PersistentVolumeClaimInfo(Model):
    """What is known of a claim."""

    access_modes: AtomicList[str] | None = None
    capacity: dict[str, Quantity] | None = None
    claim_name: str | None = None
    filesystem_overhead: Fraction | None = None
    preallocated: bool | None = None
    requests: dict[str, Quantity] | None = None
    volume_mode: str | None = None


class MigratedVolume(Model):
    """A volume whose data moves to another claim."""

    volume_name: str
    destination_pvc_info: PersistentVolumeClaimInfo | None = Field(None, alias="destinationPVCInfo")
    source_pvc_info: PersistentVolumeClaimInfo | None = Field(None, alias="sourcePVCInfo")
