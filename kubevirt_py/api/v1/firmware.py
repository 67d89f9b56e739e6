"""Firmware, boot loader, direct kernel boot and SMBIOS strings."""

from __future__ import annotations

from kubevirt_py.api.base import Model


class Chassis(Model):
    """SMBIOS chassis strings."""

    asset: str | None = None
    """Asset tag."""
    manufacturer: str | None = None
    """Manufacturer."""
    serial: str | None = None
    """Serial number."""
    sku: str | None = None
    """SKU number."""
    version: str | None = None
    """Version."""


class ACPI(Model):
    """Tables taken from volumes."""

    msdm_name_ref: str | None = None
    """Volume with the MSDM table (Windows licence)."""
    slic_name_ref: str | None = None
    """Volume with the SLIC table (Windows licence)."""


class BIOS(Model):
    """SeaBIOS settings."""

    use_serial: bool | None = None
    """Show the boot screen on the serial console."""


class EFI(Model):
    """UEFI settings."""

    persistent: bool | None = None
    """Keep UEFI variables over restarts."""
    secure_boot: bool | None = None
    """Refuse unsigned boot loaders; on unless false, and needs the SMM feature."""


class Bootloader(Model):
    """Firmware of the machine; BIOS unless set."""

    bios: BIOS | None = None
    """SeaBIOS."""
    efi: EFI | None = None
    """UEFI."""


class KernelBootContainer(Model):
    """A container image with a kernel, an initrd, or both."""

    image: str
    """Image reference."""
    image_pull_policy: str | None = None
    """Always, IfNotPresent or Never."""
    image_pull_secret: str | None = None
    """Secret with registry credentials."""
    initrd_path: str | None = None
    """Path of the initrd inside the image."""
    kernel_path: str | None = None
    """Path of the kernel inside the image."""


class KernelBoot(Model):
    """A kernel booted directly."""

    container: KernelBootContainer | None = None
    """Image that holds kernel and initrd."""
    kernel_args: str | None = None
    """Kernel command line."""


class Firmware(Model):
    """How the guest boots, and who it says it is."""

    acpi: ACPI | None = None
    """ACPI tables shown to the guest."""
    bootloader: Bootloader | None = None
    """BIOS or UEFI."""
    kernel_boot: KernelBoot | None = None
    """Boot a kernel from an image, past any boot loader."""
    serial: str | None = None
    """Serial number in SMBIOS."""
    uuid: str | None = None
    """UUID in SMBIOS. Kept over restarts."""
