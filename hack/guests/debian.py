"""The guest `debian`: Debian 12 with systemd, cloud-init, the guest agent and sshd, without what no VM uses."""

from __future__ import annotations

from pathlib import Path

from hack.guests.disk import write_disk
from hack.guests.packages import run
from hack.guests.tiny import DISK_DRIVERS

SUITE = "bookworm"
PACKAGES = (
    *("linux-image-amd64", "initramfs-tools", "zstd", "kmod", "udev", "systemd-sysv", "dbus", "libpam-systemd"),
    *("cloud-init", "qemu-guest-agent", "openssh-server", "sudo", "iproute2", "iputils-ping", "netcat-openbsd"),
    *("curl", "procps", "less", "systemd-resolved", "grub-pc-bin", "grub-efi-amd64-bin"),
)
UNUSED = (
    *("boot/grub", "usr/lib/grub", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"),
    *("var/cache/apt", "var/lib/apt/lists", "etc/machine-id", "var/lib/dbus/machine-id"),
)
UNUSED_DRIVERS = (
    *("sound", "drivers/gpu", "drivers/media", "drivers/net/wireless", "drivers/net/ethernet/mellanox"),
    *("drivers/infiniband", "drivers/staging", "drivers/iio", "drivers/bluetooth", "drivers/hwmon", "drivers/isdn"),
    *("drivers/video", "drivers/comedi", "drivers/usb/gadget", "net/bluetooth", "net/mac80211", "net/wireless"),
)
ROOT_MIB = 1536
ARGUMENTS = "root=LABEL=debian ro console=tty0 console=ttyS0,115200 net.ifnames=0 mitigations=off init_on_alloc=0"
GRUB_CFG = f"""\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
linux /vmlinuz {ARGUMENTS}
initrd /initrd.img
boot
"""
FILES = {
    "etc/fstab": "LABEL=debian / ext4 noatime,x-systemd.growfs 0 1\n",
    "etc/hostname": "debian\n",
    "etc/issue": "debian: Debian 12 on host \\n, line \\l\nLog in as root or debian, password debian.\n\n",
    "etc/cloud/cloud.cfg.d/90_guest.cfg": (
        "datasource_list: [NoCloud, ConfigDrive, None]\n"
        "system_info: {network: {renderers: [networkd]}}\n"
        "disable_root: false\nssh_pwauth: true\nlocale: false\n"
    ),
    "etc/systemd/network/90-default.network": "[Match]\nName=eth* en*\n\n[Network]\nDHCP=yes\n",
    "etc/sudoers.d/debian": "debian ALL=(ALL) NOPASSWD:ALL\n",
    "usr/share/initramfs-tools/conf.d/guest": "MODULES=list\nCOMPRESS=zstd\n",
    "usr/share/initramfs-tools/modules.d/guest": "\n".join((*DISK_DRIVERS, "sr_mod", "isofs")) + "\n",
}


def build(work: Path, disk: Path) -> None:
    """Make the disk image; `work` is an empty folder for the material."""
    root, overlay = work / "root", work / "overlay"
    for name, text in FILES.items():
        path = overlay / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hooks = (
        f"copy-in {overlay}/usr /",
        'chroot "$1" useradd --create-home --shell /bin/bash --groups sudo debian',
        'printf "root:debian\\ndebian:debian\\n" | chroot "$1" chpasswd',
        f"copy-in {overlay}/etc /",
        'chroot "$1" systemctl enable --quiet systemd-networkd serial-getty@ttyS0',
        f'cp -r "$1/usr/lib/grub" {work}/grub',
        'cd "$1" && rm -rf ' + " ".join(UNUSED),
        'cd "$1"/lib/modules/*/kernel && rm -rf ' + " ".join(UNUSED_DRIVERS),
        'chroot "$1" depmod "$(ls "$1/lib/modules")"',
        'install -D -m 644 /dev/null "$1/etc/machine-id"',
        'ln -sf /run/systemd/resolve/resolv.conf "$1/etc/resolv.conf"',
    )
    run(
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
        f"--essential-hook={hooks[0]}",
        *(f"--customize-hook={hook}" for hook in hooks[1:]),
        *(SUITE, root),
    )
    (root / "boot/grub").mkdir(parents=True)
    (root / "boot/grub/grub.cfg").write_text(GRUB_CFG)
    write_disk(disk, root, "debian", work / "grub", ROOT_MIB)
