"""Disks, CD-ROMs, LUNs and shared filesystems as the guest sees them."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import Empty, Model
from kubevirt_py.api.v1.features import FeatureState


class CustomBlockSize(Model):
    """"""

    discard_granularity: int | None = None
    logical: int | None = None
    physical: int | None = None


class BlockSize(Model):
    """"""

    custom: CustomBlockSize | None = None
    match_volume: FeatureState | None = None


class CDRomTarget(Model):
    """"""

    bus: str | None = None
    readonly: bool | None = None
    tray: str | None = None


class DiskTarget(Model):
    """"""

    bus: str | None = None
    pci_address: str | None = None
    readonly: bool | None = None


class LunTarget(Model):
    """"""

    bus: str | None = None
    readonly: bool | None = None
    reservation: bool | None = None


class Disk(Model):
    """"""

    name: str
    block_size: BlockSize | None = None
    boot_order: int | None = None
    cache: str | None = None
    cdrom: CDRomTarget | None = None
    changed_block_tracking: bool | None = None
    dedicated_io_thread: bool | None = Field(None, alias="dedicatedIOThread")
    disk: DiskTarget | None = None
    error_policy: str | None = None
    io: str | None = None
    lun: LunTarget | None = None
    serial: str | None = None
    shareable: bool | None = None
    tag: str | None = None


class Filesystem(Model):
    """"""

    name: str
    virtiofs: Empty
