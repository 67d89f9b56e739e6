"""The guest `tiny`: kernels and busybox from Debian, a few drivers and servers, our own start-up scripts.

Two kernels are on its disk. The ordinary one has all drivers; the one for clouds is smaller, and without what it keeps
for purposes that this guest has not (SMALL_ARGUMENTS) it runs in 64 MB. GRUB takes it where there is less than
ORDINARY_MIB.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.guests.disk import Signed, write_disk
from hack.guests.flatkernel import flatten
from hack.guests.initramfs import write_initramfs
from hack.guests.packages import copy_modules, copy_programs, extract, kernel_version, module_files, place, run

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"  # its kernels are the smallest that Debian supports
PACKAGES = (
    *("busybox-static", "dropbear-bin", "netcat-openbsd", "qemu-guest-agent", "wide-dhcpv6-client"),
    *("linux-image-amd64", "linux-image-cloud-amd64", "grub-pc-bin", "grub-efi-amd64-bin"),
    *("shim-signed", "grub-efi-amd64-signed"),
)
PROGRAMS = ("busybox", "nc.openbsd", "dropbear", "dropbearkey", "dbclient", "qemu-ga", "dhcp6c")
ROOT_MIB = 192

DISK_DRIVERS = (
    *("crc32c_generic", "virtio_pci", "virtio_blk", "virtio_scsi", "ahci", "nvme", "xhci_pci", "ehci_pci", "uhci_hcd"),
    *("usb-storage", "uas", "sd_mod", "ext4"),
)
DRIVERS = (
    *DISK_DRIVERS,
    *("crc32c-intel", "ata_piix"),
    *("virtio_net", "virtio_console", "virtio-rng", "virtio_balloon", "virtio_input", "virtio_mem", "virtiofs"),
    *("9p", "9pnet_virtio", "vmw_vsock_virtio_transport", "e1000", "e1000e", "8139cp", "8139too", "failover"),
    *("sr_mod", "isofs", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8", "loop", "overlay"),
    *("usbhid", "hid-generic", "psmouse", "atkbd", "evdev", "button", "i6300esb", "softdog", "pvpanic-pci"),
    *("tpm_tis", "tpm_crb", "efivarfs", "8021q", "macvlan", "bridge", "veth", "dummy", "nf_tables", "tun"),
)
LARGE_DRIVERS = ("qemu_fw_cfg",)  # not in the small kernel: it takes two of 64 MB
MEMORY_OF_ORDINARY_KERNEL = 80 << 20
ORDINARY_MIB = 120
"""Memory in which GRUB has room for the ordinary kernel beside itself."""
# no_timer_check: on a busy machine the emulated timer is late, and the kernel would panic.
ARGUMENTS = "console=tty0 console=ttyS0,115200 quiet mitigations=off init_on_alloc=0 no_timer_check"
# What the smaller kernel does without, and what that leaves free of its 26 MiB.
SMALL_ARGUMENTS = " ".join(
    (
        "lockdown=confidentiality",  # tracing files: 8 MiB
        "cgroup.memory=nokmem",  # the owner of each piece of per-CPU memory: 4 MiB
        "initcall_blacklist=slab_sysfs_init",  # /sys/kernel/slab, 4,500 files: 0.6 MiB
        "coherent_pool=4K",  # DMA memory for encrypted machines: 0.4 MiB
        "pci=noaer",  # a thread for each port's error reports: 0.3 MiB
        "cryptomgr.notests",  # tests of ciphers, which took the last of the memory before init ran
    )
)
SMALL_SYSCTLS = {
    "bpf_jit_enable": 0,  # a page for the machine code of socket filters: 2 MiB
    "watermark_boost_factor": 0,  # memory to be kept free once blocks have been split: 2 MiB
}
GRUB_CFG = f"""\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
if [ "$grub_platform" = efi ]; then
    linux /boot/vmlinuz {ARGUMENTS}
    initrd /boot/initrd
    boot
fi
# What the firmware tells of the memory, in MiB.
smbios --type 17 --get-word 12 --set mib
if [ "$mib" -lt {ORDINARY_MIB} ]; then
    linux /boot/vmlinuz-small {ARGUMENTS} {SMALL_ARGUMENTS}
    initrd /boot/initrd-small
else
    linux /boot/vmlinuz-flat {ARGUMENTS}
    initrd /boot/initrd
fi
boot
"""


def build(work: Path, disk: Path, vmlinuz: Path, initrd: Path) -> None:
    """Make the disk image, and a kernel and initrd that boot the same system from memory.

    `work` is an empty folder for the material; it may be removed afterwards.
    """
    packages, root, boot = work / "packages", work / "root", work / "boot"
    extract(SUITE, PACKAGES, packages)
    ordinary, small = (kernel_version(packages, cloud) for cloud in (False, True))
    write_root(packages, root, ordinary)
    boot.mkdir()
    enter = assemble(work)
    images = {version: (packages / "boot" / f"vmlinuz-{version}").read_bytes() for version in (ordinary, small)}
    (boot / "vmlinuz").write_bytes(images[ordinary])
    (boot / "vmlinuz-flat").write_bytes(flatten(images[ordinary], enter, MEMORY_OF_ORDINARY_KERNEL))
    (boot / "vmlinuz-small").write_bytes(flatten(images[small], enter, sysctls=SMALL_SYSCTLS))
    init = compile_init(work)
    write_disk_initrd(packages, init, ordinary, work / "initrd", boot / "initrd")
    write_disk_initrd(packages, init, small, work / "initrd-small", boot / "initrd-small")
    (boot / "grub").mkdir()
    (boot / "grub/grub.cfg").write_text(GRUB_CFG)

    vmlinuz.write_bytes(images[ordinary])
    write_initramfs(initrd, root)
    copy_modules(packages, small, DRIVERS, root)
    shutil.copytree(boot, root / "boot", dirs_exist_ok=True)
    grub = packages / "usr/lib/grub"
    signed = Signed(packages / "usr/lib/shim/shimx64.efi.signed", grub / "x86_64-efi-signed/grubx64.efi.signed")
    write_disk(disk, root, "tiny", grub, ROOT_MIB, signed)


def write_root(packages: Path, root: Path, kernel: str) -> None:
    """Lay out the root file system, without /boot."""
    skeleton(root)
    copy_programs(packages, PROGRAMS, root)
    busybox_links(root)
    copy_modules(packages, kernel, (*DRIVERS, *LARGE_DRIVERS), root)
    shutil.copytree(HERE / "tiny", root, dirs_exist_ok=True)
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/dropbear").mkdir()
    (root / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    (root / "etc/mtab").symlink_to("/proc/self/mounts")
    (root / "init").symlink_to("sbin/init")
    home = root / "home/tiny"
    home.mkdir(parents=True)
    shutil.chown(home, 1000, 1000)


def skeleton(root: Path) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("boot", "dev", "etc", "mnt", "proc", "run", "sys", "var/lib/dhcpv6", "var/log"):
        (root / name).mkdir(parents=True)
    (root / "root").mkdir(mode=0o700)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "var/run").symlink_to("/run")


def busybox_links(root: Path) -> None:
    """Make the links by which busybox is called, where no program of that name is there."""
    for applet in run(root / "usr/bin/busybox", "--list-full").split():
        link = root / "usr" / applet.removeprefix("usr/")
        if not link.exists() and link.name != "busybox":
            link.symlink_to("/usr/bin/busybox")


def write_disk_initrd(packages: Path, init: Path, kernel: str, folder: Path, target: Path) -> None:
    """Write the initrd that finds the root disk: one program and the drivers of disks."""
    place(init, folder / "init", 0o755)
    for name in ("dev", "proc", "root", "modules"):
        (folder / name).mkdir()
    drivers = module_files(packages, kernel, DISK_DRIVERS)
    for driver in drivers:
        place(driver, folder / "modules" / driver.name, 0o644)
    (folder / "modules/order").write_text("\n".join(driver.name for driver in drivers))
    write_initramfs(target, folder)


def compile_init(work: Path) -> Path:
    """Compile init.c, which needs no C library to run."""
    program = work / "init"
    flags = ("-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-no-pie", "-fno-pie")
    run("cc", *flags, "-Wall", "-Wextra", "-Werror", "-o", program, HERE / "init.c")
    return program


def assemble(work: Path) -> bytes:
    """The machine code of enter.S."""
    run("as", "--32", HERE / "enter.S", "-o", work / "enter.o")
    run("ld", "-m", "elf_i386", "-Ttext", "0", "--oformat", "binary", "-o", work / "enter.bin", work / "enter.o")
    return (work / "enter.bin").read_bytes()
