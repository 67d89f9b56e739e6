"""Firmware, boot loader, direct kernel boot and SMBIOS strings."""

from __future__ import annotations

from kubevirt_py.api.base import Model


class Chassis(Model):
    """"""

    asset: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    sku: str | None = None
    version: str | None = None


class ACPI(Model):
    """"""

    msdm_name_ref: str | None = None
    slic_name_ref: str | None = None


class BIOS(Model):
    """"""

    use_serial: bool | None = None


class EFI(Model):
    """"""

    persistent: bool | None = None
    secure_boot: bool | None = None


class Bootloader(Model):
    """"""

    bios: BIOS | None = None
    efi: EFI | None = None


class KernelBootContainer(Model):
    """"""

    image: str
    image_pull_policy: str | None = None
    image_pull_secret: str | None = None
    initrd_path: str | None = None
    kernel_path: str | None = None


class KernelBoot(Model):
    """"""

    container: KernelBootContainer | None = None
    kernel_args: str | None = None


class Firmware(Model):
    """"""

    acpi: ACPI | None = None
    bootloader: Bootloader | None = None
    kernel_boot: KernelBoot | None = None
    serial: str | None = None
    uuid: str | None = None
