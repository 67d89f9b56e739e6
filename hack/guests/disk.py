"""Lay out disk images that boot by BIOS and by UEFI, without mounting anything and without root.

 1 MiB   BIOS boot partition: GRUB's core image; GRUB's first sector stands in the protective MBR
 2 MiB   EFI system partition: GRUB as EFI/BOOT/BOOTX64.EFI, or Debian's signed shim there with its signed GRUB
10 MiB   ext4 root file system with /boot
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

from hack.guests.packages import run

MIB = 1 << 20
SECTOR = 512
BIOS_START, ESP_START, ROOT_START = 1 * MIB, 2 * MIB, 10 * MIB
GRUB_MODULES = (
    "part_gpt",
    "ext2",
    "fat",
    "search",
    "search_label",
    "normal",
    "linux",
    "serial",
    "terminal",
    "echo",
    "test",
)
EPOCH = {"SOURCE_DATE_EPOCH": "0", "E2FSPROGS_FAKE_TIME": "1"}
UUID = "00000000-0000-4000-8000-0000000000{:02x}"


class Signed(NamedTuple):
    """Programs that the firmware's keys vouch for: the shim, and the GRUB that the shim vouches for."""

    shim: Path
    grub: Path


def write_disk(disk: Path, root: Path, label: str, grub: Path, root_mib: int, signed: Signed | None = None) -> None:
    """Write a compressed qcow2 image with the files of `root`, whose /boot/grub/grub.cfg boots it.

    `grub` is a folder with GRUB's platforms (i386-pc, x86_64-efi); `root_mib` the size of the root file system.
    With `signed` programs, and a kernel that Debian signed, it boots where Secure Boot is in force.
    """
    with tempfile.TemporaryDirectory(dir=disk.parent) as scratch:
        work = Path(scratch)
        raw = work / "disk.raw"
        with raw.open("wb") as image:
            image.truncate(ROOT_START + (root_mib + 1) * MIB)
        partition(raw, root_mib)
        (work / "early.cfg").write_text(
            f"search --no-floppy --label {label} --set root\nset prefix=($root)/boot/grub\n"
        )
        put(raw, root_file_system(work, root, label, root_mib), ROOT_START)
        put(raw, efi_partition(work, grub, label, signed), ESP_START)
        install_bios_grub(raw, bios_core(work, grub), grub / "i386-pc/boot.img")
        run("qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", raw, disk)


def partition(raw: Path, root_mib: int) -> None:
    """Write the partition table."""
    table = [
        "label: gpt",
        f"label-id: {UUID.format(0)}",
        f"start={BIOS_START // SECTOR}, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, uuid={UUID.format(1)}",
        f"start={ESP_START // SECTOR}, size=8MiB, type=U, uuid={UUID.format(2)}",
        f"start={ROOT_START // SECTOR}, size={root_mib}MiB, type=L, uuid={UUID.format(3)}",
    ]
    script = raw.with_suffix(".sfdisk")
    script.write_text("\n".join(table))
    run("sh", "-c", f"sfdisk --quiet {raw} <{script}")


def root_file_system(work: Path, root: Path, label: str, mib: int) -> Path:
    image = work / "root.ext4"
    options = f"root_owner=0:0,hash_seed={UUID.format(4)}"
    features = "^metadata_csum_seed,^orphan_file" if "orphan_file" in Path("/etc/mke2fs.conf").read_text() else "none"
    run(
        *("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", label, "-U", UUID.format(5), "-E", options, "-m", "0"),
        *(("-O", features) if features != "none" else ()),
        *("-d", root, image, f"{mib}M"),
        **EPOCH,
    )
    return image


def efi_partition(work: Path, grub: Path, label: str, signed: Signed | None) -> Path:
    image = work / "esp.fat"
    run("mkfs.vfat", "--invariant", "-n", "EFI", "-C", image, str(8 * 1024))
    run("mmd", "-i", image, "::EFI", "::EFI/BOOT", "::EFI/debian", **EPOCH)
    if signed is None:
        program = work / "BOOTX64.EFI"
        mkimage(work, grub, "x86_64-efi", program, ("efi_gop", "all_video"))
        files = {"EFI/BOOT/BOOTX64.EFI": program}
    else:
        # The signed GRUB looks for its configuration at a place of its own, and may not load modules.
        early = work / "signed.cfg"
        early.write_text(f"search --no-floppy --label {label} --set=root\nconfigfile /boot/grub/grub.cfg\n")
        files = {
            "EFI/BOOT/BOOTX64.EFI": signed.shim,
            "EFI/BOOT/grubx64.efi": signed.grub,
            "EFI/BOOT/grub.cfg": early,
            "EFI/debian/grub.cfg": early,
        }
    for target, source in files.items():
        run("mcopy", "-i", image, source, f"::{target}", **EPOCH)
    return image


def bios_core(work: Path, grub: Path) -> Path:
    core = work / "core.img"
    mkimage(work, grub, "i386-pc", core, ("biosdisk", "smbios"))
    return core


def mkimage(work: Path, grub: Path, platform: str, output: Path, modules: tuple[str, ...]) -> None:
    """Link GRUB with the modules it needs to find and read its configuration."""
    run(
        *("grub-mkimage", "-O", platform, "-d", grub / platform, "-p", "/boot/grub", "-c", work / "early.cfg"),
        *("-o", output, *modules, *GRUB_MODULES),
    )


def install_bios_grub(raw: Path, core: Path, boot: Path) -> None:
    """Put GRUB's first sector before the partition table and its core image into the BIOS boot partition.

    boot.img holds at 0x5c the sector to load; that sector ends with the list of the sectors that follow it
    (first sector, count, segment to load at), as GRUB's own installer writes them.
    """
    start = BIOS_START // SECTOR
    first = bytearray(boot.read_bytes()[:440])
    struct.pack_into("<Q", first, 0x5C, start)
    image = bytearray(core.read_bytes())
    image += bytes(-len(image) % SECTOR)
    struct.pack_into("<QHH", image, SECTOR - 12, start + 1, len(image) // SECTOR - 1, 0x820)
    with raw.open("r+b") as disk:
        disk.write(first)
        disk.seek(BIOS_START)
        disk.write(image)


def put(raw: Path, part: Path, start: int) -> None:
    """Copy a partition's image into the disk, leaving holes where it is empty."""
    run("dd", f"if={part}", f"of={raw}", "bs=1M", f"seek={start // MIB}", "conv=notrunc,sparse", "status=none")
