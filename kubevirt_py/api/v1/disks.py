"""Disks, CD-ROMs, LUNs and shared filesystems as the guest sees them."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import Empty, Model
from kubevirt_py.api.v1.features import FeatureState


class CustomBlockSize(Model):
    """Block sizes in bytes."""

    discard_granularity: int | None = None
    """Least size of a discard."""
    logical: int | None = None
    """Logical block size, a power of 2 of at least 512."""
    physical: int | None = None
    """Physical block size, a power of 2, not less than the logical one."""


class BlockSize(Model):
    """Block sizes shown to the guest; choose one."""

    custom: CustomBlockSize | None = None
    """Sizes of the user's choice."""
    match_volume: FeatureState | None = None
    """Sizes of the volume below."""


class CDRomTarget(Model):
    """A CD-ROM drive."""

    bus: str | None = None
    """sata, scsi or usb; sata on amd64 unless set."""
    readonly: bool | None = None
    """Always true for a CD-ROM."""
    tray: str | None = None
    """Whether the tray is open or closed at start."""


class DiskTarget(Model):
    """A disk's place in the machine."""

    bus: str | None = None
    """virtio, sata, scsi or usb; sata on amd64 unless set."""
    pci_address: str | None = None
    """PCI address, such as 0000:81:01.0; on bus virtio."""
    readonly: bool | None = None
    """The guest may only read."""


class LunTarget(Model):
    """A LUN's place in the machine."""

    bus: str | None = None
    """scsi, sata or virtio; scsi unless set."""
    readonly: bool | None = None
    """The guest may only read."""
    reservation: bool | None = None
    """Pass SCSI persistent reservations on to the storage."""


class Disk(Model):
    """A disk, CD-ROM or LUN the guest sees; its content is the volume of the same name."""

    name: str
    """The volume of the same name."""
    block_size: BlockSize | None = None
    """Block sizes shown to the guest."""
    boot_order: int | None = None
    """Rank among all disks and interfaces; 1 is tried first. Disks in their order when none has a rank."""
    cache: str | None = None
    """Host cache: none, writethrough or writeback."""
    cdrom: CDRomTarget | None = None
    """The guest sees a CD-ROM drive."""
    changed_block_tracking: bool | None = None
    """Remember changed blocks for incremental backups."""
    dedicated_io_thread: bool | None = Field(None, alias="dedicatedIOThread")
    """Give this disk an I/O thread of its own."""
    disk: DiskTarget | None = None
    """The guest sees a disk. This is so when nothing else is said."""
    error_policy: str | None = None
    """On an I/O error: stop the guest, ignore, report to the guest, or enospace (stop only when space runs out)."""
    io: str | None = None
    """How the host does I/O: native, threads or default."""
    lun: LunTarget | None = None
    """The guest sees a SCSI LUN and sends its commands through to it."""
    serial: str | None = None
    """Serial number the guest sees."""
    shareable: bool | None = None
    """Several guests may write to it."""
    tag: str | None = None
    """Metadata tag shown in cloud-init's config drive."""


class Filesystem(Model):
    """A directory shared with the guest; its content is the volume of the same name."""

    name: str
    """The volume of the same name, and the tag to mount it by."""
    virtiofs: Empty
    """Share it by virtiofs."""
